#!/bin/sh
# Runs Bun, of the version that .bun-version names, in this repository: sh scripts/with-bun.sh FILE [ARGUMENT...]
# Takes the Bun on PATH or in .tools/ when it is of that version, and otherwise gets it from npm into .tools/.
# Then installs the dependencies that bun.lock names, unless that has been done: without the tools for
# development when the file to run is in src/. Needs nothing but a POSIX shell and npm, or Bun.
set -eu

cd -- "$(dirname -- "$0")/.."
version=$(cat .bun-version)

# npm and Bun keep a cache in the home folder, and misbehave without one.
if [ ! -d "${HOME:-}" ] || [ ! -w "${HOME:-}" ]; then
  mkdir -p .tools/home
  HOME=$(pwd)/.tools/home
  export HOME
fi

is_wanted() {
  [ "$("$1" --version 2>/dev/null)" = "$version" ]
}

in_tools=.tools/node_modules/.bin/bun

install_bun() {
  echo "Getting Bun $version from npm into .tools/" >&2
  npm install --prefix .tools --no-audit --no-fund --no-update-notifier --loglevel=error "bun@$version" >&2 || return 1
  # Where npm does not run the scripts of packages, the program is not in its place yet.
  is_wanted "$in_tools" || node .tools/node_modules/bun/install.js >&2 || return 1
  is_wanted "$in_tools"
}

if command -v bun >/dev/null && is_wanted bun; then
  bun=bun
elif is_wanted "$in_tools"; then
  bun=$in_tools
elif command -v npm >/dev/null && install_bun; then
  bun=$in_tools
elif command -v bun >/dev/null; then
  bun=bun
  echo "Warning: Bun $version is wanted and could not be had from npm; using Bun $(bun --version)" >&2
else
  echo "Bun $version is needed, and could not be had from npm. Install Node with npm, or Bun: https://bun.sh" >&2
  exit 1
fi

# A copy of the lock file in node_modules tells which dependencies are there; all of them serve the service too.
case "${1:-}" in
  src/*) stamp=node_modules/.bun.lock.production flag=--production ;;
  *) stamp=node_modules/.bun.lock.all flag= ;;
esac
if ! cmp -s bun.lock node_modules/.bun.lock.all && ! cmp -s bun.lock "$stamp"; then
  echo "Installing the dependencies" >&2
  "$bun" install --frozen-lockfile --silent $flag >&2
  cp bun.lock "$stamp"
fi

exec "$bun" --no-orphans "$@"
