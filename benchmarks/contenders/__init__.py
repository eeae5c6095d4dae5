"""What people write, or install, who want a crawl behind walls today. A file each; a settings dictionary in each.

They are meant to be good of their kind: what a competent person writes in ten lines with the documents of the client
at hand. They share the submission, which Scrapy has ready.
"""
