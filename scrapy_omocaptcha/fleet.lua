-- What the workers of a fleet have bought and learnt: one call is one step that nobody can come between.
--
-- ARGV: what is asked or told (a name below), and what with, as JSON. Money is in billionths of a USD, time in ms, by
-- the clock of this Redis. A job is counted when it is reserved; one that was never sent is taken off the counts again,
-- one that may have been sent never is.

local crawl, open, jobs, hosts, breaker, keys, left, day = unpack(KEYS)
local given = cjson.decode(ARGV[2])
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)

local REFUSALS_IN_A_ROW = 5
local STEP = 10 * 60 * 1000
local DAY = 24 * 60 * 60 * 1000

local function whole(number)
    return string.format('%.0f', number)
end

local function number(key, field)
    return tonumber(redis.call('HGET', key, field) or 0)
end

-- The day is counted in steps, so that up to one step more than a day counts.
local function spent_in_a_day()
    local spent, cells = 0, redis.call('HGETALL', day)
    for i = 1, #cells, 2 do
        if (tonumber(cells[i]) + 1) * STEP > now - DAY then
            spent = spent + cells[i + 1]
        else
            redis.call('HDEL', day, cells[i])
        end
    end
    return spent
end

local function count(job, sign)
    redis.call('HINCRBY', crawl, 'jobs', sign)
    redis.call('HINCRBY', crawl, 'spent', whole(sign * job.cost))
    redis.call('HINCRBY', hosts, job.host, sign)
    local in_step = redis.call('HINCRBY', day, whole(job.step), whole(sign * job.cost))
    if sign > 0 and in_step == job.cost then
        -- A new step: those that are more than a day old can go.
        spent_in_a_day()
    end
end

-- After a pause one job tries again, and the next waits for its outcome.
local function take_turn(job)
    for _, circuit in ipairs({'until:' .. given.key, 'until'}) do
        local before = redis.call('HGET', breaker, circuit)
        if before then
            job.turns[circuit] = before
            redis.call('HSET', breaker, circuit, whole(job.turn))
        end
    end
end

local function give_up(id)
    local job = cjson.decode(redis.call('HGET', jobs, id) or 'null')
    if job == cjson.null then
        return
    end
    count(job, -1)
    for circuit, before in pairs(job.turns) do
        -- A failure since then has begun a pause of its own, a success has ended it.
        if redis.call('HGET', job.breaker, circuit) == whole(job.turn) then
            redis.call('HSET', job.breaker, circuit, before)
        end
    end
    redis.call('ZREM', open, id)
    redis.call('HDEL', jobs, id)
end

local function keep(id, job, milliseconds)
    redis.call('HSET', jobs, id, cjson.encode(job))
    redis.call('ZADD', open, now + milliseconds, id)
end

local function new_job()
    local job = {host = given.host, cost = given.cost, step = math.floor(now / STEP), sent = false}
    job.turns, job.turn, job.breaker = {}, now + given.pause, breaker
    return job
end

local function let_old_ones_go()
    for _, id in ipairs(redis.call('ZRANGEBYSCORE', open, '-inf', now)) do
        if cjson.decode(redis.call('HGET', jobs, id)).sent then
            redis.call('ZREM', open, id)
            redis.call('HDEL', jobs, id)
        else
            -- Its worker is gone, or has never heard that it was granted.
            give_up(id)
        end
    end
end

-- The reason why no job may be bought now, and the figure or the words that go with it; or nothing.
local function refusal()
    local bought, spent = number(crawl, 'jobs'), number(crawl, 'spent')
    local after, spendable = spent + given.cost, redis.call('HGET', crawl, 'spendable')
    if now < number(crawl, 'account_until') then
        return 'account', redis.call('HGET', crawl, 'account')
    elseif given.max_jobs > 0 and bought >= given.max_jobs then
        return 'max_jobs', bought
    elseif given.max_jobs_per_host > 0 and number(hosts, given.host) >= given.max_jobs_per_host then
        return 'max_jobs_per_host', number(hosts, given.host)
    elseif given.max_cost > 0 and after > given.max_cost then
        return 'max_cost', spent
    elseif spendable and after > tonumber(spendable) then
        return 'min_balance', spent
    elseif given.max_cost_per_day > 0 and spent_in_a_day() + given.cost > given.max_cost_per_day then
        return 'max_cost_per_day', spent_in_a_day()
    elseif now < number(crawl, 'paused_until') then
        return 'refused', 0
    elseif now < math.max(number(breaker, 'until'), number(breaker, 'until:' .. given.key)) then
        return 'breaker', 0
    end
end

local asked = {}

-- A job that a worker had under way when it stopped, as it told it; it is told once. Times in there become ages.
local function take_over()
    while true do
        local job = redis.call('LPOP', left)
        if not job then
            return
        end
        job = cjson.decode(job)
        if now < job.good_until then
            return cjson.encode({id = job.id, created = now - job.created, not_ready = now - job.not_ready})
        end
    end
end

-- Room for a job, which is held for given.lease; granted twice, it is counted once.
function asked.reserve()
    if redis.call('HEXISTS', jobs, given.job) == 1 then
        return
    end
    local running = take_over()
    if running then
        return {'running', running}
    end
    local reason, detail = refusal()
    if reason then
        return {reason, type(detail) == 'number' and whole(detail) or detail}
    end
    if redis.call('HEXISTS', crawl, 'account') == 1 then
        -- This one tries whether the account is well again; the next waits for what comes of it.
        redis.call('HSET', crawl, 'account_until', whole(now + given.pause))
    end
    local job = new_job()
    count(job, 1)
    take_turn(job)
    keep(given.job, job, given.lease)
end

-- The job is about to be sent: from here on it counts for good. 0 when its room is held no longer.
function asked.send()
    local job = cjson.decode(redis.call('HGET', jobs, given.job) or 'null')
    if job == cjson.null then
        return 0
    end
    job.sent = true
    keep(given.job, job, given.window)
    return 1
end

function asked.give_up()
    give_up(given.job)
end

-- The worker stops, and this is what it knows of a job that it leaves under way: its id, and how long ago it was created
-- and known not to be ready.
function asked.hand_on()
    local job = {id = given.id, good_until = now + given.good_for}
    job.created, job.not_ready = now - given.created, now - given.not_ready
    redis.call('RPUSH', left, cjson.encode(job))
    redis.call('PEXPIRE', left, given.good_for)
end

-- A job that was bought while this Redis was away.
function asked.add()
    if redis.call('HEXISTS', jobs, given.job) == 0 then
        local job = new_job()
        job.sent = true
        count(job, 1)
        keep(given.job, job, given.window)
    end
end

function asked.failed()
    local failures = redis.call('HINCRBY', breaker, 'failures:' .. given.key, 1)
    redis.call('SADD', keys, given.key)
    if failures >= given.most then
        redis.call('HSET', breaker, 'until:' .. given.key, whole(now + given.pause))
    end
    if redis.call('SCARD', keys) >= given.most then
        redis.call('HSET', breaker, 'until', whole(now + given.pause))
    end
    for _, key in ipairs({breaker, keys}) do
        redis.call('PEXPIRE', key, whole(DAY + given.pause))
    end
end

function asked.succeeded()
    redis.call('DEL', keys)
    redis.call('HDEL', breaker, 'until', 'until:' .. given.key, 'failures:' .. given.key)
end

function asked.refused()
    if redis.call('HINCRBY', crawl, 'refusals', 1) >= REFUSALS_IN_A_ROW then
        redis.call('HSET', crawl, 'refusals', 0, 'paused_until', whole(now + given.pause))
    end
end

function asked.taken()
    redis.call('HDEL', crawl, 'refusals', 'account', 'account_until')
end

function asked.close_account()
    redis.call('HSET', crawl, 'account', given.why, 'account_until', whole(now + given.pause))
end

-- What is left in the account above its floor. What was sent of late may have been charged since that was asked.
function asked.holds()
    local charged = number(crawl, 'spent')
    for _, id in ipairs(redis.call('ZRANGE', open, 0, -1)) do
        charged = charged - cjson.decode(redis.call('HGET', jobs, id)).cost
    end
    redis.call('HSET', crawl, 'spendable', whole(charged + given.left))
end

let_old_ones_go()
return asked[ARGV[1]]()
