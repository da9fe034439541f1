-- Whether a user of Redis may do all that publishing may have to do: a part of `publish.lua`, and of what tries whether a
-- server could publish. Asked before anything is done, so that nothing stops half-way.

--- @param keys those of `publish.lua`
local function mayPublish(verb, channel, keys)
  local may = redis.acl_check_cmd
  local history, log, older, epochs, once, announced = unpack(keys)
  return may(verb, channel, '')
    and may('XADD', history, '*', 'event', '')
    and may('XDEL', history, '0-1')
    and may('XLEN', history)
    and may('XREVRANGE', history, '+', '-')
    and may('XSETID', history, '0-1')
    and may('XINFO', 'STREAM', history)
    and may('EXISTS', history)
    and may('PEXPIRE', history, '1')
    and may('PTTL', history)
    and may('TYPE', log)
    and may('GET', log)
    and may('GETRANGE', log, '0', '0')
    and may('APPEND', log, '')
    and may('RENAME', log, older)
    and may('GET', older)
    and may('SET', epochs, '')
    and may('ZADD', once, '0', '')
    and may('ZSCORE', once, '')
    and may('ZCARD', once)
    and may('ZREMRANGEBYRANK', once, '0', '0')
    and may('SET', announced, '')
    and may('DEL', log, older, epochs, once, announced)
    and may('INFO', 'replication')
    and may('TIME')
end
