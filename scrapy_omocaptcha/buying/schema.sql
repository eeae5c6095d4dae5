-- The tables of a ledger. The indexes have all that limits sum up. A file with this application_id is a ledger;
-- user_version is the version of this schema. Blank lines separate the statements.
CREATE TABLE jobs (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    time TEXT NOT NULL CHECK (time IS strftime('%Y-%m-%dT%H:%M:%SZ', time)),
    spider TEXT NOT NULL,
    crawl TEXT NOT NULL,
    host TEXT NOT NULL,
    page TEXT NOT NULL,
    kind TEXT NOT NULL,
    job TEXT,
    seconds REAL CHECK (typeof(seconds) != 'text' AND seconds >= 0),
    outcome TEXT NOT NULL,
    reason TEXT NOT NULL,
    cost_usd REAL NOT NULL CHECK (typeof(cost_usd) = 'real' AND cost_usd >= 0),
    form TEXT NOT NULL DEFAULT '',
    budget TEXT NOT NULL -- the crawl that the job counts for: the same after a resume, another for each spider
);

CREATE INDEX jobs_of_crawl ON jobs (budget, host, cost_usd);

CREATE INDEX jobs_by_time ON jobs (time, cost_usd);

-- A row for each run of a crawl that has ended; a crawl that is resumed has several.
CREATE TABLE runs (
    time TEXT NOT NULL, spider TEXT NOT NULL, crawl TEXT NOT NULL, ended TEXT NOT NULL, not_solved TEXT NOT NULL, -- JSON
    noticed TEXT NOT NULL -- JSON
);

PRAGMA application_id = 1330466659;

PRAGMA user_version = 1;
