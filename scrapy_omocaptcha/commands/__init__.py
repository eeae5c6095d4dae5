"""The verbs of ``scrapy omocaptcha``, a file each. All are imported at each call of the command, so that what is heavy
is imported where a verb runs. No verb buys anything."""
