"""Implement the subcommands of ``scrapy omocaptcha``; none of them buys anything."""
