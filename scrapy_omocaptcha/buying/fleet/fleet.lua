-- Count what the workers of a fleet buy, and keep what they learn. Redis runs each call of the script as one step.
--
-- ARGV: the name of a command below, and its arguments as JSON. Money is in billionths of a USD, time in milliseconds of
-- the clock of this Redis. A job is counted when it is reserved, just before it is sent, and counts for good unless its
-- worker takes it back. A command that is repeated because its reply was lost counts once.

-- The keys, which redis_store.py reads here
local crawl = KEYS[1] -- {fleet}
local jobs = KEYS[2] -- {fleet}:jobs
local expiry = KEYS[3] -- {fleet}:expiry
local hosts = KEYS[4] -- {fleet}:hosts
local of_sitekey = KEYS[5] -- {fleet}:breaker:{host}:{sitekey}
local of_host = KEYS[6] -- {fleet}:breaker:{host}
local of_domain = KEYS[7] -- {fleet}:breaker:{domain}
local received = KEYS[8] -- {fleet}:received:{worker}
local day = KEYS[9] -- omocaptcha:day

local args = cjson.decode(ARGV[2])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local STEP = 10 * 60 * 1000
local DAY = 24 * 60 * 60 * 1000
local EXPIRED_AT_ONCE = 100
local JOBS_REMEMBERED = 1000
local NEAR = 0.8
local SHARE = 0.8
local SHARE_OF_DOMAIN = 0.5

-- Write a number without an exponent, nor as -0, which Redis takes for no number.
local function digits(number)
    return string.format('%.0f', number + 0)
end

local function get_number(key, field)
    return tonumber(redis.call('HGET', key, field) or 0)
end

local function get_job(id)
    local job = redis.call('HGET', jobs, id)
    return job and cjson.decode(job)
end

-- Return the circuits that a job counts in. That of the domain is one until a token was accepted there.
local function circuits()
    local accepts = redis.call('HEXISTS', of_domain, 'accepts') == 1
    return {of_sitekey, of_host, not accepts and of_domain or nil}
end

-- Forget a job. What it counts stays.
local function delete_job(id)
    redis.call('ZREM', expiry, id)
    redis.call('HDEL', jobs, id)
end

-- Sum the last 24 hours and delete what is older. Time is counted in steps, so up to one step more is included.
local function spent_in_a_day()
    local spent, steps = 0, redis.call('HGETALL', day)
    for i = 1, #steps, 2 do
        if (tonumber(steps[i]) + 1) * STEP > now - DAY then
            spent = spent + steps[i + 1]
        else
            redis.call('HDEL', day, steps[i])
        end
    end
    return spent
end

-- Add a job to all counts (sign 1), or take it off again (sign -1).
local function count(job, sign)
    if sign < 0 and redis.call('EXISTS', crawl) == 0 then
        -- Somebody has deleted the counts, and they must not become negative.
        return
    end
    redis.call('HINCRBY', crawl, 'jobs', sign)
    redis.call('HINCRBY', crawl, 'spent', digits(sign * job.cost))
    redis.call('HINCRBY', hosts, job.host, sign)
    redis.call('HINCRBY', day, digits(job.step), digits(sign * job.cost))
end

-- After a pause, let one job through and hold back the next ones until its outcome is known.
local function begin_trial(job)
    for _, circuit in ipairs(circuits()) do
        local before = redis.call('HGET', circuit, 'open_until')
        if before then
            job.trials[circuit] = before
            redis.call('HSET', circuit, 'open_until', digits(job.trial_until))
        end
    end
end

local function cancel(id)
    local job = get_job(id)
    if not job then
        return
    end
    count(job, -1)
    for circuit, before in pairs(job.trials) do
        -- A later failure has begun a pause of its own, and a success has ended it.
        if redis.call('HGET', circuit, 'open_until') == digits(job.trial_until) then
            redis.call('HSET', circuit, 'open_until', before)
        end
    end
    delete_job(id)
end

local function new_job()
    return {
        host = args.host,
        cost = args.cost,
        step = math.floor(now / STEP),
        reserved = now,
        trials = {},
        trial_until = now + args.pause,
    }
end

local function expire_jobs()
    for _, id in ipairs(redis.call('ZRANGEBYSCORE', expiry, '-inf', now, 'LIMIT', 0, EXPIRED_AT_ONCE)) do
        delete_job(id)
    end
end

-- Return the limits of the arguments, with what is used of each, and the most that may be.
local function used_limits()
    local measures = {
        jobs = get_number(crawl, 'jobs'),
        jobs_of_host = get_number(hosts, args.host),
        spent = get_number(crawl, 'spent'),
        spent_in_a_day = spent_in_a_day(),
    }
    local limits = {}
    for i, limit in ipairs(args.limits) do
        -- Without a figure of its own, a limit is what the balance allows, once this is known.
        local most = limit.most or redis.call('HGET', crawl, 'spendable') or math.huge
        limits[i] = {reason = limit.reason, adds = limit.adds, used = measures[limit.measure], most = tonumber(most)}
    end
    return limits
end

-- Return the limit that is reached, and its figure or a message; return nothing if a job may be bought.
local function reached_limit()
    if now < get_number(crawl, 'account_closed_until') then
        return 'account', redis.call('HGET', crawl, 'account_closed')
    end
    for _, limit in ipairs(used_limits()) do
        if limit.used + limit.adds > limit.most then
            return limit.reason, limit.used
        end
    end
    for _, circuit in ipairs(circuits()) do
        if now < get_number(circuit, 'open_until') then
            return 'breaker', circuit == of_domain and args.domain or args.host
        end
    end
end

local commands = {}

-- Return the limits of which most is used, each with what is used, and the most.
local function near_limits()
    local near = {}
    for _, limit in ipairs(used_limits()) do
        if limit.used >= NEAR * limit.most and limit.used + limit.adds <= limit.most then
            table.insert(near, {limit.reason, digits(limit.used), digits(limit.most)})
        end
    end
    return near
end

-- Count a job, which is about to be sent. Return the word "counted" and the limits that are near, or the limit that is
-- reached and its detail.
function commands.reserve()
    if get_job(args.job) then
        return {'counted', unpack(near_limits())}
    end
    local reason, detail = reached_limit()
    if reason then
        return {reason, type(detail) == 'number' and digits(detail) or detail}
    end
    if redis.call('HEXISTS', crawl, 'account_closed') == 1 then
        -- This job finds out whether the account works again. The next ones wait for its outcome.
        redis.call('HSET', crawl, 'account_closed_until', digits(now + args.pause))
    end
    local job = new_job()
    count(job, 1)
    begin_trial(job)
    redis.call('HSET', jobs, args.job, cjson.encode(job))
    redis.call('ZADD', expiry, now + args.window, args.job)
    return {'counted', unpack(near_limits())}
end

-- Record that the create call of a job has ended.
function commands.mark_answered()
    local job = get_job(args.job)
    if job then
        job.answered = true
        redis.call('HSET', jobs, args.job, cjson.encode(job))
    end
end

function commands.cancel()
    cancel(args.job)
end

-- Return the jobs of the circuit of a sitekey, or of the whole host, in the order of their creation.
local function created_jobs(circuit)
    return cjson.decode(redis.call('HGET', circuit, 'jobs') or '[]')
end

local function keep_jobs(circuit, created)
    redis.call('HSET', circuit, 'jobs', cjson.encode(created))
    redis.call('PEXPIRE', circuit, digits(DAY + args.pause))
end

-- Return the place of the job in the order of creation, or nothing where it is forgotten.
local function find_job(created)
    for place, job in ipairs(created) do
        if job[1] == args.job then
            return place
        end
    end
end

-- Return how many of the jobs were of no use, of one kind only one more than of all others together, and the number of
-- the others, as breaker.py does.
local function count_useless(created, first, last)
    local kinds, most, useless = {}, 0, 0
    for i = first, last do
        local kind = created[i][2]
        if kind ~= 0 then
            kinds[kind] = (kinds[kind] or 0) + 1
            most = math.max(most, kinds[kind])
            useless = useless + 1
        end
    end
    return math.min(useless, 2 * (useless - most) + 1), last - first + 1 - useless
end

-- Mark a job as useless, of some kind; return whether it is one too many, and forget what led to that.
local function fails(circuit, created, place, kind, share)
    created[place][2] = kind
    local kept, opens = created, false
    for last = place, #created do
        local useless, of_use = count_useless(created, math.max(1, last - 2 * args.threshold + 1), last)
        if useless >= math.max(args.threshold, share * (useless + of_use)) then
            kept, opens = {unpack(created, last + 1)}, true
            break
        end
    end
    keep_jobs(circuit, kept)
    return opens
end

function commands.create_accepted()
    redis.call('HDEL', crawl, 'account_closed', 'account_closed_until')
    for _, circuit in ipairs(circuits()) do
        local created = created_jobs(circuit)
        table.insert(created, {args.job, 0})
        keep_jobs(circuit, {unpack(created, math.max(1, #created - JOBS_REMEMBERED + 1))})
    end
end

function commands.record_success()
    for _, circuit in ipairs(circuits()) do
        if find_job(created_jobs(circuit)) then
            redis.call('HDEL', circuit, 'open_until')
        end
    end
    redis.call('HDEL', of_domain, 'jobs', 'open_until')
    redis.call('HSET', of_domain, 'accepts', 1)
    redis.call('PEXPIRE', of_domain, digits(DAY + args.pause))
end

function commands.record_failure()
    local kinds = {[of_sitekey] = args.job, [of_host] = args.sitekey, [of_domain] = args.host}
    for _, circuit in ipairs(circuits()) do
        local created = created_jobs(circuit)
        local place = find_job(created)
        if place then
            local share = circuit == of_domain and SHARE_OF_DOMAIN or SHARE
            local opens = fails(circuit, created, place, kinds[circuit], share)
            if opens or redis.call('HEXISTS', circuit, 'open_until') == 1 then
                redis.call('HSET', circuit, 'open_until', digits(now + args.pause))
            end
        end
    end
end

function commands.close_account()
    redis.call('HSET', crawl, 'account_closed', args.why, 'account_closed_until', digits(now + args.pause))
end

-- Return what the balance certainly lacks already: the cost of all jobs but those whose create call may be under way,
-- since it has not been answered, and was not reserved args.uncertain ago.
function commands.charged_so_far()
    local charged = get_number(crawl, 'spent')
    for _, id in ipairs(redis.call('ZRANGE', expiry, 0, -1)) do
        local job = get_job(id)
        if job and not job.answered and job.reserved >= now - args.uncertain then
            charged = charged - job.cost
        end
    end
    return digits(charged)
end

-- Set how much may be spent in all, including what has been spent.
function commands.set_balance()
    redis.call('HSET', crawl, 'spendable', digits(args.spendable))
end

if args.number then
    if tonumber(redis.call('GET', received) or 0) >= args.number then
        return
    end
    redis.call('SET', received, args.number, 'PX', DAY)
end
expire_jobs()
return commands[ARGV[1]]()
