"""The subcommands of ``scrapy omocaptcha``, a module each; none of them buys anything."""
