-- The tables of a ledger. Triggers keep the sums that limits need, so that a reservation takes as long with a million
-- rows as with a hundred. A file with this application_id is a ledger; user_version is the version of this schema.
-- Blank lines separate the statements.
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
    questions INTEGER NOT NULL CHECK (typeof(questions) = 'integer'),
    outcome TEXT NOT NULL CHECK (outcome IN ('accepted', 'rejected', 'failed', 'expired', 'unknown', 'abandoned')),
    reason TEXT NOT NULL,
    cost_usd REAL NOT NULL CHECK (typeof(cost_usd) = 'real' AND cost_usd >= 0),
    form TEXT NOT NULL DEFAULT '',
    budget TEXT NOT NULL, -- the crawl that the job counts for: the same after a resume, another for each spider
    step INTEGER NOT NULL -- when it was bought, in steps of ten minutes
);

-- A row for each run of a crawl that has ended; a crawl that is resumed has several.
CREATE TABLE runs (
    time TEXT NOT NULL, spider TEXT NOT NULL, crawl TEXT NOT NULL, ended TEXT NOT NULL, not_solved TEXT NOT NULL -- JSON
);

-- Sums for the limits, in billionths of a USD: whole numbers add up exactly. Host '*' stands for all.
CREATE TABLE budgets (
    budget TEXT, host TEXT, jobs INTEGER NOT NULL, cost INTEGER NOT NULL, PRIMARY KEY (budget, host)
) WITHOUT ROWID;

CREATE TABLE steps (step INTEGER PRIMARY KEY, cost INTEGER NOT NULL);

CREATE TRIGGER bought AFTER INSERT ON jobs BEGIN
    INSERT INTO budgets
        SELECT NEW.budget, host, 1, CAST(round(NEW.cost_usd * 1e9) AS INTEGER)
        FROM (SELECT '*' AS host UNION SELECT NEW.host)
        WHERE true ON CONFLICT (budget, host) DO UPDATE SET jobs = jobs + 1, cost = cost + excluded.cost;
    INSERT INTO steps VALUES (NEW.step, CAST(round(NEW.cost_usd * 1e9) AS INTEGER))
        ON CONFLICT (step) DO UPDATE SET cost = cost + excluded.cost;
END;

CREATE TRIGGER taken_back AFTER DELETE ON jobs BEGIN
    UPDATE budgets SET jobs = jobs - 1, cost = cost - CAST(round(OLD.cost_usd * 1e9) AS INTEGER)
        WHERE budget = OLD.budget AND host IN ('*', OLD.host);
    UPDATE steps SET cost = cost - CAST(round(OLD.cost_usd * 1e9) AS INTEGER) WHERE step = OLD.step;
END;

PRAGMA application_id = 1330466659;

PRAGMA user_version = 1;
