/** The command of the built-in image: a web server, an ssh server when there is one, and a prompt end on SIGTERM. */

/** Process 1 of the container. BusyBox's shell; every loop has a bound. */
export const bootScript = `#!/bin/sh
# Started as process 1: serves the host name on port 80, and ssh for root's keys on port 22.
trap 'echo "stopping"; exit 0' TERM INT

metadata=http://169.254.169.254/latest/meta-data
keys=/root/.ssh/authorized_keys

add_key() { # once each, however often the container restarts
  [ -n "$1" ] || return 0
  grep -qxF "$1" "$keys" 2>/dev/null || echo "$1" >>"$keys"
}

fetch_key() { # the network may come up after us: five attempts, two seconds each
  for attempt in 1 2 3 4 5; do
    if key=$(timeout 2 wget -q -O - "$metadata/public-keys/0/openssh-key" 2>/dev/null); then
      add_key "$key"
      return 0
    fi
    sleep 1
  done
}

hostname >/www/index.html
echo "kernel $(uname -sr) on $(uname -m), $(nproc) processors"
echo "up since $(date -u +%Y-%m-%dT%H:%M:%SZ)"
ip -o address show | awk '$2 != "lo" { print "address " $4 " on " $2 }'
httpd -f -p 80 -h /www &
fetch_key &
if [ -x /usr/sbin/dropbear ]; then
  # -R makes host keys at the first connection, -s refuses passwords, -E logs to us, -F stays ours
  /usr/sbin/dropbear -R -s -E -F -p 22 &
fi
echo "Quaystone's built-in image: $(hostname) is up, http on port 80\${DROPBEAR:+, ssh on port 22}"
while :; do
  sleep 86400 &
  wait $!
done
`
