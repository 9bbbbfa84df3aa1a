#!/usr/bin/env bash
# The firewall. ops/setup_vps.sh sources this file.
set -euo pipefail

# shellcheck source=ops/setup/common.sh
source "${BASH_SOURCE[0]%/*}/common.sh"

firewall=/etc/firewall.nft

firewall_stands() {
  nft list table inet firewall >/dev/null 2>&1 || return 1
  holds "$@"
}

load_firewall() {
  nft --file "$1"
}

# A rule that drops is the last word, wherever it stands. So these bind the ports that Docker publishes, as rules in its
# chain DOCKER-USER would, and also where Docker uses nftables, which has no such chain; and as they stand in a table of
# their own, no restart of Docker touches them, nor they anything of Docker's.
print_firewall() {
  local ssh open
  ssh=$(ports_in ssh)
  ssh=$(ssh_ports "${ssh}")
  ssh=$(join_ports "${ssh}")
  open=$(open_ports "$1")
  cat <<RULES
#!/usr/sbin/nft -f
# Who may come in from outside, also to the ports that Docker publishes. Written by ops/setup_vps.sh, whose --open says
# which ports are open. It replaces its own table only, in one go.
table inet firewall
delete table inet firewall

table inet firewall {
  set ssh {
    type inet_service
    elements = { ${ssh} }
  }

  set open {
    type inet_service${open:+
    elements = { ${open} \}}
  }

  set callers {
    type ipv4_addr
    size 65535
    flags dynamic,timeout
    timeout 10m
  }

  set callers6 {
    type ipv6_addr
    size 65535
    flags dynamic,timeout
    timeout 10m
  }

  # To the server itself.
  chain input {
    type filter hook input priority filter; policy drop;
    ct state established,related accept
    ct state invalid drop
    iifname "lo" accept
    meta l4proto { icmp, ipv6-icmp } accept
    udp dport { 68, 546 } accept comment "answers of DHCP"
    tcp dport @ssh jump ssh
    tcp dport @open accept
    iifname "docker*" accept comment "containers"
    iifname "br-*" accept comment "containers"
  }

  # Who opens more than ten connections a minute is not let in until that is over; a network counts as one for IPv6.
  chain ssh {
    update @callers { ip saddr limit rate over 10/minute burst 20 packets } drop
    update @callers6 { ip6 saddr & ffff:ffff:ffff:ffff:: limit rate over 10/minute burst 20 packets } drop
    accept
  }

  # To containers, before Docker's own rules.
  chain forward {
    type filter hook forward priority filter - 1; policy accept;
    ct state established,related accept
    iifname "docker*" accept comment "from containers"
    iifname "br-*" accept comment "from containers"
    meta l4proto tcp ct status dnat ct original proto-dst @open accept
    oifname "docker*" drop
    oifname "br-*" drop
  }
}
RULES
}

# open_ports WANTED: what --open says, or what was open before.
open_ports() {
  case $1 in
    '') ports_in open ;;
    none) ;;
    *) join_ports "${1//,/ }" ;;
  esac
}

# ports_in SET: those of the firewall as it was written last.
ports_in() {
  [[ ! -f ${firewall} ]] || sed -n "/^  set $1 {/,/^  }/ s/.*elements = { \\(.*\\) }/\\1/p" "${firewall}"
}

# join_ports WORDS: in order, each once.
join_ports() {
  local words ports
  read -ra words <<<"$1"
  ports=$(printf '%s\n' "${words[@]}" | sort --numeric-sort --unique)
  say "${ports//$'\n'/, }"
}

print_firewall_unit() {
  cat <<UNIT
[Unit]
Description=Who may come in from outside, also to containers
Documentation=file://${firewall}
Wants=network-pre.target
Before=network-pre.target shutdown.target
After=nftables.service
PartOf=nftables.service
Conflicts=shutdown.target
DefaultDependencies=no

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/sbin/nft --file ${firewall}
ExecReload=/usr/sbin/nft --file ${firewall}

[Install]
WantedBy=sysinit.target
UNIT
}
