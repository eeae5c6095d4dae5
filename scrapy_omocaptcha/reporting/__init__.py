"""What was bought, told to people: a block of text, JSON, a web page. It adds up records and reads no file."""
