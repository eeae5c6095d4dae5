"""Implement the subcommands of ``scrapy omocaptcha``; only ``check --buy`` buys anything."""
