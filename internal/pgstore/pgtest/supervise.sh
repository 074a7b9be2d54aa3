# usage: supervise FOLDER PROGRAMS
# Reads "start" and "kill" and answers each when it is done. At the end of the input it
# ends the server and removes the folder.
dir=$1 bin=$2
trap '' INT TERM HUP PIPE
exec 2>>"$dir/log"
run() {
  "$bin/postgres" -D "$dir/data" -k "$dir" -c listen_addresses= -c unix_socket_permissions=0700 -c max_connections=200 \
    -c shared_buffers=32MB -c fsync="$FSYNC" -c dynamic_shared_memory_type=mmap >>"$dir/log" </dev/null &
  echo $! >"$dir/pid"
  wait $!
  rm "$dir/pid"
}
start() {
  [ -d "$dir/data" ] || "$bin/initdb" -D "$dir/data" -U postgres -A trust -E UTF8 --locale=C --no-sync >>"$dir/log" || return
  # After a kill the processes of the old server may take a moment to end, and until then
  # a new one gives up.
  tries=0
  while [ $tries -lt 50 ]; do
    : >"$dir/pid"
    run &
    while [ -e "$dir/pid" ]; do
      "$bin/pg_isready" -q -h "$dir" && return
      sleep 0.05
    done
    tries=$((tries + 1))
    sleep 0.2
  done
}
stop() { # with a signal
  [ -s "$dir/pid" ] || return
  kill "-$1" "$(cat "$dir/pid")"
  while [ -e "$dir/pid" ]; do sleep 0.02; done
}
while read -r command; do
  case $command in
  start) start ;;
  kill) stop KILL ;;
  esac
  echo "$command"
done
stop QUIT
cd /
rm -rf "$dir"
