#!/usr/bin/env bash
# Prints the path of a Python for the checks: 3.12 or newer, with venv. $PYTHON where that is set; otherwise one from the
# PATH, of pyenv or of uv, and best the version of the images. Ends with 1 where there is none, and with 2 where $PYTHON is none.
set -euo pipefail

usable='import ensurepip, sys, sysconfig, venv
if sys.version_info < (3, 12) or sysconfig.get_config_var("Py_GIL_DISABLED"):
    sys.exit(1)
print(sys.executable)'

# print_usable: the first of the lines that will do; without the lock of the interpreter, packages have no wheels.
print_usable() {
  local python
  while IFS= read -r python; do
    "${python}" -c "${usable}" 2>/dev/null </dev/null && return
  done
  return 1
}

if [[ -n ${PYTHON:-} ]]; then
  if print_usable <<<"${PYTHON}"; then
    exit
  fi
  echo "PYTHON: ${PYTHON} is no Python 3.12 or newer with venv; name one that is, or leave the variable out." >&2
  exit 2
fi

shopt -s nullglob
of_pyenv=${PYENV_ROOT:-${HOME:-}/.pyenv}/versions
of_uv=${UV_PYTHON_INSTALL_DIR:-${XDG_DATA_HOME:-${HOME:-}/.local/share}/uv/python}
candidates() {
  local minor
  for minor in 13 12 {14..40}; do
    type -aP "python3.${minor}" || true
    printf '%s\n' "${of_pyenv}/3.${minor}"[.-]*/bin/python3 "${of_uv}/cpython-3.${minor}"[.-]*/bin/python3
  done
  type -aP python3 python || true
}
print_usable < <(candidates)
