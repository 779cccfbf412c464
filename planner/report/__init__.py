"""Finished tables -> figures -> one offline HTML page. The only place with plotly and Jinja."""
