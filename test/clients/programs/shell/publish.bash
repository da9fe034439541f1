curl -sS http://localhost:3000/sessions/lecture-1/events \
  -H 'Content-Type: application/json' -H "Idempotency-Key: $(cat /proc/sys/kernel/random/uuid)" \
  -d '{ "event": "important", "note": "Look at this again", "capture_url": null }'
