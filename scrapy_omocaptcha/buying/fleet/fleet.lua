-- What the workers of a fleet have bought and learnt: one call is one step that nobody can come between.
--
-- ARGV: what is asked or told (a name below), and what with, as JSON. Money is in billionths of a USD, time in ms, by
-- the clock of this Redis. A job is counted when it is reserved; one that was never sent is taken off the counts again,
-- one that may have been sent never is. Whatever is told twice, since its answer was lost, counts once.

local crawl, open, jobs, hosts, breaker, keys, left, day, heard = unpack(KEYS)
local given = cjson.decode(ARGV[2])
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)

local REFUSALS_IN_A_ROW = 5
local STEP = 10 * 60 * 1000
local DAY = 24 * 60 * 60 * 1000
local AT_ONCE = 100

local function whole(number)
    return string.format('%.0f', number)
end

local function number(key, field)
    return tonumber(redis.call('HGET', key, field) or 0)
end

local function job_of(id)
    local job = redis.call('HGET', jobs, id)
    return job and cjson.decode(job)
end

-- The day is counted in steps, so that up to one step more than a day counts.
local function spent_in_a_day()
    local spent, steps = 0, redis.call('HGETALL', day)
    for i = 1, #steps, 2 do
        if (tonumber(steps[i]) + 1) * STEP > now - DAY then
            spent = spent + steps[i + 1]
        end
    end
    return spent
end

local function forget_older_days()
    for _, step in ipairs(redis.call('HKEYS', day)) do
        if (tonumber(step) + 1) * STEP <= now - DAY then
            redis.call('HDEL', day, step)
        end
    end
end

local function count(job, sign)
    if sign < 0 and redis.call('EXISTS', crawl) == 0 then
        -- Somebody has deleted the counts: there is nothing to take it off.
        return
    end
    redis.call('HINCRBY', crawl, 'jobs', sign)
    redis.call('HINCRBY', crawl, 'spent', whole(sign * job.cost))
    redis.call('HINCRBY', hosts, job.host, sign)
    redis.call('HINCRBY', day, whole(job.step), whole(sign * job.cost))
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

local function keep(id, job, milliseconds)
    redis.call('HSET', jobs, id, cjson.encode(job))
    redis.call('ZADD', open, now + milliseconds, id)
end

local function forget(id)
    redis.call('ZREM', open, id)
    redis.call('HDEL', jobs, id)
end

-- A job that a worker has left under way, for others to take over while its token would be young enough.
local function leave(place, running, good_until)
    redis.call('ZADD', place, good_until, running)
    local last = redis.call('ZRANGE', place, -1, -1, 'WITHSCORES')[2]
    redis.call('PEXPIREAT', place, last)
end

local function give_up(id)
    local job = job_of(id)
    if not job then
        return
    end
    if job.running then
        leave(job.left, job.running, job.good_until)
    else
        count(job, -1)
        for circuit, before in pairs(job.turns) do
            -- A failure since then has begun a pause of its own, a success has ended it.
            if redis.call('HGET', job.breaker, circuit) == whole(job.turn) then
                redis.call('HSET', job.breaker, circuit, before)
            end
        end
    end
    forget(id)
end

local function new_job()
    local job = {host = given.host, cost = given.cost, step = math.floor(now / STEP)}
    job.turns, job.turn, job.breaker = {}, now + given.pause, breaker
    return job
end

local function let_old_ones_go()
    for _, id in ipairs(redis.call('ZRANGEBYSCORE', open, '-inf', now, 'LIMIT', 0, AT_ONCE)) do
        local job = job_of(id)
        if job and not job.sent then
            -- Its worker is gone, or has never heard that it was granted.
            give_up(id)
        else
            forget(id)
        end
    end
end

local function take_over(id)
    redis.call('ZREMRANGEBYSCORE', left, '-inf', now)
    local running, good_until = unpack(redis.call('ZRANGE', left, 0, 0, 'WITHSCORES'))
    if running then
        redis.call('ZREM', left, running)
        keep(id, {running = running, good_until = good_until, left = left}, given.lease)
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
    elseif given.floor and spendable and after > tonumber(spendable) then
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

-- Room for a job, which is held for given.lease; or a job that is under way already: {'running', it, the time}.
function asked.reserve()
    if not job_of(given.job) then
        take_over(given.job)
    end
    local job = job_of(given.job)
    if job then
        return job.running and {'running', job.running, whole(now)} or false
    end
    local reason, detail = refusal()
    if reason then
        return {reason, type(detail) == 'number' and whole(detail) or detail}
    end
    if redis.call('HEXISTS', crawl, 'account') == 1 then
        -- This one tries whether the account is well again; the next waits for what comes of it.
        redis.call('HSET', crawl, 'account_until', whole(now + given.pause))
    end
    job = new_job()
    count(job, 1)
    forget_older_days()
    take_turn(job)
    keep(given.job, job, given.lease)
end

-- The job is about to be sent, or taken over: from here on it counts for good. 0 when it is held no longer.
function asked.send()
    local job = job_of(given.job)
    if not job then
        return 0
    end
    job.sent = job.sent or now
    keep(given.job, job, given.window)
    return 1
end

function asked.give_up()
    give_up(given.job)
end

-- A job that was bought while this Redis was away.
function asked.add()
    if not job_of(given.job) then
        local job = new_job()
        job.sent = now
        count(job, 1)
        keep(given.job, job, given.window)
    end
end

-- The worker stops, and leaves a job under way. Its times are ages, and become times here.
function asked.hand_on()
    local running = {id = given.id, created = now - given.created, not_ready = now - given.not_ready}
    leave(left, cjson.encode(running), whole(now + given.good_for))
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

-- What has been spent, of which the service has certainly heard: for who is about to ask for the balance.
function asked.charged()
    local charged = number(crawl, 'spent')
    for _, id in ipairs(redis.call('ZRANGE', open, 0, -1)) do
        local job = job_of(id)
        if job and job.cost and not (job.sent and job.sent < now - given.uncertain) then
            charged = charged - job.cost
        end
    end
    return whole(charged)
end

-- The balance leaves room for so much, all that was ever spent included.
function asked.holds()
    redis.call('HSET', crawl, 'spendable', whole(given.spendable))
end

if given.number then
    if tonumber(redis.call('GET', heard) or 0) >= given.number then
        return
    end
    redis.call('SET', heard, given.number, 'PX', DAY)
end
let_old_ones_go()
return asked[ARGV[1]]()
