-- Count the jobs and the money of fleets. Redis runs each call of the script as one step.
--
-- ARGV: the name of a command below, and its arguments as JSON. Money is in billionths of a USD, time in seconds of the
-- clock of this Redis. A job is counted when it is reserved, just before it is sent, and counts for good unless its
-- worker takes it back.

local crawl = KEYS[1] -- the sums of a fleet: jobs, spent, charged
local hosts = KEYS[2] -- its jobs, by host
local day = KEYS[3] -- what all fleets have spent, by the step of time in which it was reserved

local args = cjson.decode(ARGV[2])
local now = tonumber(redis.call('TIME')[1])

local STEP = 10 * 60
local DAY = 24 * 60 * 60

local function get_number(key, field)
    return tonumber(redis.call('HGET', key, field) or 0)
end

-- Write a whole number without an exponent, nor as -0, which Redis takes for no number.
local function digits(number)
    return string.format('%.0f', number + 0)
end

-- Sum the last 24 hours and delete what is older. Whole steps are counted, so up to one step more is included.
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

-- Add the job of the arguments to all sums (sign 1), or take it off again (sign -1).
local function count(sign)
    redis.call('HINCRBY', crawl, 'jobs', sign)
    redis.call('HINCRBY', crawl, 'spent', digits(sign * args.cost))
    redis.call('HINCRBY', hosts, args.host, sign)
    redis.call('HINCRBY', day, digits(args.step), digits(sign * args.cost))
end

local commands = {}

-- Return the sums; "charged" is what the balance certainly lacks: the cost of the jobs whose create call has ended.
function commands.sums()
    return {
        jobs = get_number(crawl, 'jobs'),
        jobs_of_host = get_number(hosts, args.host),
        spent = get_number(crawl, 'spent'),
        spent_in_a_day = spent_in_a_day(),
        charged = get_number(crawl, 'charged'),
    }
end

-- Count a job, unless a limit is reached, which is "reached" then. Return that and the sums before.
function commands.reserve()
    local sums = commands.sums()
    for _, limit in ipairs(args.limits) do
        if sums[limit.measure] + limit.adds > limit.most then
            sums.reached = limit.reason
            return sums
        end
    end
    args.step = math.floor(now / STEP)
    sums.step = args.step
    count(1)
    return sums
end

-- Take back the job of a reservation, with its step.
function commands.cancel()
    -- Somebody may have deleted the sums, which must not become negative.
    if redis.call('EXISTS', crawl) == 1 then
        count(-1)
    end
end

-- Record that the create call of a job has ended, so that the balance lacks its cost.
function commands.charge()
    redis.call('HINCRBY', crawl, 'charged', digits(args.cost))
end

return cjson.encode(commands[ARGV[1]]() or {})
