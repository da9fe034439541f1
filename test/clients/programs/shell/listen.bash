last="" status=""
until [ "$status" = 204 ]; do # the session has ended
  while read -r name value; do
    case "$name" in
      id:) last=$value ;;
      data:) echo "$last $value" ;;
      status:) status=$value ;;
    esac
  done < <(curl -sN "http://localhost:3000/ws/session/lecture-1/student/?offset=$last" \
    -H 'Accept: text/event-stream' -w '\nstatus: %{http_code}\n')
  sleep 1
done
echo "stays away: $status"
