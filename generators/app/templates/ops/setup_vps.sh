#!/usr/bin/env bash
# Prepares a fresh server for this project.
set -euo pipefail

here=$(readlink -f "${BASH_SOURCE[0]}")
# shellcheck source=ops/setup/docker.sh
source "${here%/*}/setup/docker.sh"
# shellcheck source=ops/setup/access.sh
source "${here%/*}/setup/access.sh"
# shellcheck source=ops/setup/firewall.sh
source "${here%/*}/setup/firewall.sh"
# shellcheck source=ops/setup/upkeep.sh
source "${here%/*}/setup/upkeep.sh"
# shellcheck source=ops/setup/timers.sh
source "${here%/*}/setup/timers.sh"
# shellcheck source=ops/setup/steps.sh
source "${here%/*}/setup/steps.sh"

option+=(['--dry-run']='' ['--distro-docker']='' ['--user=']=deploy ['--open=']='')
options "Usage: ops/setup_vps.sh [--dry-run] [--distro-docker] [--user NAME] [--open PORT,...]

Makes a fresh Debian 12 or 13 or Ubuntu 22.04 or 24.04 ready for ./deploy.sh. Run it as root, from the place where the
project is to stay, such as /srv/${name}. It sets up Docker, a user to deploy with, SSH with keys only, a firewall that
binds the ports of Docker's containers too, security updates, time, swap, bounded logs, and the daily backup with its
drill. Each step says what it changed; what is right already is left alone, so it can be run again at any time.

  --dry-run        say what would be changed, with the contents of the files, and change nothing
  --distro-docker  take Docker from the distribution instead of Docker's own repository
  --user NAME      who deploys, and whose timers make the backups (default: deploy)
  --open PORT,...  the TCP ports that are open to everybody besides SSH, such as 80,443, in place of those of the last
                   run; without it they stay as they are, none at first. --open none closes all of them

Environment: DOCKER_REPOSITORY, a mirror of https://download.docker.com/linux.
Exit status: 0 all is as it should be (or was listed), 1 a step failed or had to be left out, 2 wrong usage." "$@"

user=${option['--user=']}
open=${option['--open=']}
[[ ${user} =~ ^[a-z][a-z0-9_-]{0,31}$ ]] || wrong_usage "${user} cannot be the name of a user"
[[ ${open} =~ ^(none|[1-9][0-9]{0,4}(,[1-9][0-9]{0,4})*)?$ ]] || wrong_usage "--open takes ports, such as 80,443"

((EUID == 0)) || die 'this changes the whole server, so run it as root: sudo ops/setup_vps.sh'
check_system
check_place
check_present_docker
begin "${option['--dry-run']}"

step 'what an interrupted installation left is finished' packages_are_whole finish_installation
python=$(python_package)
step 'certificates, firewall, security updates and Python are installed' \
  are_installed install_packages ca-certificates nftables unattended-upgrades "${python}"

step "containers' logs are rotated, and networks are small" has_docker_settings write /etc/docker/daemon.json print_docker_settings
if [[ -n ${option['--distro-docker']} ]]; then
  step 'Docker of the distribution is installed' distro_docker_is_ready install_distro_docker
else
  step "the key of Docker's repository is known" has_docker_key fetch_docker_key
  step "Docker's repository is in use" \
    uses_docker_repository write /etc/apt/sources.list.d/docker.sources print_docker_sources update_package_lists
  step 'Docker of its own repository is installed' docker_is_ready install_docker
fi
step 'Docker starts with the server' runs_as_a_service start_service docker.service

step "the user ${user} exists" user_exists add_user "${user}"
step "${user} may use Docker" user_may_use_docker let_user_use_docker "${user}"
step "${user} can log in with the keys of whoever runs this" has_keys_of_the_caller copy_keys "${user}"
step "the project in ${root} belongs to ${user}" project_belongs_to hand_project_over "${user}"
step 'SSH takes keys only' \
  ssh_takes_keys_only write /etc/ssh/sshd_config.d/10-keys-only.conf print_ssh_settings reload_ssh

step 'the firewall lets in only what is meant to come in' \
  firewall_stands write "${firewall}" print_firewall load_firewall "${open}"
step 'the firewall has a unit' holds write /etc/systemd/system/firewall.service print_firewall_unit reload_units
step 'the firewall starts with the server' runs_as_a_service start_service firewall.service

step 'security updates are meant to come every day' \
  holds write /etc/apt/apt.conf.d/51-daily-security-updates print_updates
step 'the security updates have a timer' runs_as_a_service start_service apt-daily-upgrade.timer
step 'a service for the time is installed' has_time_service install_packages systemd-timesyncd
step 'the time is kept right' keeps_time keep_time
step 'there is swap where memory is small' has_swap add_swap
step "the system's log is bounded" holds write /etc/systemd/journald.conf.d/10-size.conf print_journal restart_journal

for job in backup drill; do
  unit=${name}-${job}
  step "${unit}.service runs as ${user}" \
    holds write "/etc/systemd/system/${unit}.service" "print_${job}_service" reload_units "${user}"
  step "${unit}.timer runs it every day" holds write "/etc/systemd/system/${unit}.timer" "print_${job}_timer" reload_units
  step "${unit}.timer is active" runs_as_a_service start_service "${unit}.timer"
done

conclude "Next, as ${user}: ${root}/deploy.sh"
