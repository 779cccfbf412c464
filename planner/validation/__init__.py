"""The model against closed forms, published figures and a real kernel: targets as data, checks as code."""
