#!/usr/bin/env bash
# The daily backup and the drill that proves it. ops/setup_vps.sh sources this file.
set -euo pipefail

# shellcheck source=ops/setup/common.sh
source "${BASH_SOURCE[0]%/*}/common.sh"

name=$(project_name)

# print_service USER WHAT COMMAND
print_service() {
  cat <<UNIT
[Unit]
Description=$2 of ${name}
Documentation=file://${root}/README.md
Requires=docker.service
After=docker.service

[Service]
Type=oneshot
User=$1
WorkingDirectory=${root}
ExecStart=${root}/$3
Nice=10
IOSchedulingClass=idle
TimeoutStartSec=3h
UNIT
}

# print_timer WHAT TIME
print_timer() {
  cat <<UNIT
[Unit]
Description=Daily $1 of ${name}

[Timer]
OnCalendar=*-*-* $2
RandomizedDelaySec=30m
Persistent=yes

[Install]
WantedBy=timers.target
UNIT
}

print_backup_service() {
  print_service "$1" Backup 'ops/three-tier backup'
}

print_backup_timer() {
  print_timer backup 02:30
}

print_drill_service() {
  print_service "$1" 'Drill with the newest backup' 'ops/three-tier restore --drill'
}

print_drill_timer() {
  print_timer 'drill with the newest backup' 04:30
}
