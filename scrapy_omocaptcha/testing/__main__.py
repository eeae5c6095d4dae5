"""``python -m scrapy_omocaptcha.testing``: see ``simulate.py``."""

from scrapy_omocaptcha.testing.simulate import main

main()
