"""``python -m scrapy_omocaptcha.testing``: see ``simulate.py``."""

import sys

from scrapy_omocaptcha.testing.simulate import main

sys.exit(main())
