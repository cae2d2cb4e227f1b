"""The API's resources, one module each: plain functions that `openapi.Routes` makes operations of."""
