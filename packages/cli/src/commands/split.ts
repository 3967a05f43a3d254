import { defineCommand } from '../command.ts'
import { actionNames } from '../split/action-names.ts'
import type { SplitData } from '../split/data.ts'

export const split = defineCommand<SplitData>({
  name: 'split',
  summary: 'one shared database becomes a database per service, while clients write',
  description:
    'Moves the tables of each service from a shared MariaDB or PostgreSQL database to a PostgreSQL database of its own: ' +
    'copied online, followed, compared value by value, switched in milliseconds, reversible until it is retired. ' +
    'Every action can be killed at any moment and started again. ' +
    'map: is every table owned by exactly one service (--suggest writes a first draft). deps: what still crosses the borders. ' +
    'plan: decides types and writes the migrations; with --modules the shared database is one of our own schema, and each ' +
    'service gets the database of `bundle --topology services`. provision, copy, verify, switch: the steps, each does those before it. ' +
    'run: all of them (--all services). revert: back to the shared database, with everything written since. cancel: ends a ' +
    'move that did not switch. retire: gives up the way back; old tables become zz_moved_*. follow: keeps the other side up ' +
    'to date until Ctrl-C. loose-keys: does what foreign keys across services did. status: the dashboard. test: the test guide, 13 questions a service. export, import: the manual way.',
  arguments: [
    { name: '<action>', description: 'what to do', choices: actionNames },
    { name: '[service]', description: 'the service to do it with' },
  ],
  options: [
    { flags: '--source <url>', description: 'the shared database (default: IMHOTEP_SPLIT_SOURCE)' },
    { flags: '--target <url>', description: 'superuser of the server to move to (default: IMHOTEP_SPLIT_TARGET)' },
    { flags: '--map <file>', description: 'the owner map (default: owners.yaml)' },
    { flags: '--modules', description: 'with plan and run --all: by the modules of the project, instead of a map' },
    { flags: '--schemas <directory>', description: "where services' migrations go (default: db/services)" },
    { flags: '--env <directory>', description: "where services' environment files go (default: services)" },
    { flags: '--all', description: 'all services, with --map or --modules also planned when nothing is' },
    { flags: '--retire', description: 'with run: compare once more from the way back, and give it up' },
    { flags: '--dry-run', description: 'with switch: everything but the switch' },
    {
      flags: '--stop',
      description: 'with follow: when all are retired and a relay runs, drop the triggers that follow has made',
    },
    { flags: '--suggest', description: 'with map: write a first draft' },
    { flags: '--code <directory...>', description: 'with deps: source code to look through' },
    { flags: '--log <file...>', description: 'with deps: general, slow (slow in the name) or PostgreSQL logs' },
    { flags: '--allow <file>', description: 'with deps and status: the allow-list (default: split-allow.yaml)' },
    { flags: '--allow-all', description: 'with deps: begin an allow-list with what is found' },
    { flags: '--shrink', description: 'with deps: strike what is gone from the allow-list' },
    { flags: '--html <file>', description: 'with deps, status and test: write the report as a page' },
    { flags: '--watch', description: 'with status: again every second until Ctrl-C' },
    { flags: '--directory <directory>', description: 'with export and import (default: export/<service>)' },
    { flags: '--chunk <rows>', description: 'rows that are copied and compared at a time (default: 20000)' },
    { flags: '--max-wait <seconds>', description: 'how long the copy may take to catch up (default: 600)' },
    { flags: '--max-gap <seconds>', description: 'how long a switch or revert may keep clients waiting (default: 30)' },
  ],
  examples: [
    { run: 'imhotep split map --suggest', does: 'a first draft of owners.yaml' },
    { run: 'imhotep split deps --code src --html deps.html', does: 'what crosses the borders of services' },
    { run: 'imhotep split plan', does: 'decide types, write db/services/*, show three ways on' },
    { run: 'imhotep split plan --modules', does: 'the same for a database of our own schema' },
    { run: 'imhotep split verify lab', does: 'copy lab and compare every value; nothing is switched' },
    { run: 'imhotep split switch lab', does: 'clients of lab use its own database from now on' },
    { run: 'imhotep split revert lab', does: 'and back again, with everything written since' },
    { run: 'imhotep split status --html status.html', does: 'how far the split is, also as a page' },
    { run: 'imhotep split test lab', does: 'is lab complete, isolated, safe and reversible?' },
    { run: 'imhotep split run --all --map owners.yaml --retire', does: 'the whole database, in one command' },
  ],
  // MySQL's driver and the parsers of source code are loaded when somebody splits, not by every command.
  run: async (context) => {
    const { actions } = await import('../split/actions.ts')
    const name = actionNames.find((known) => known === context.args[0])
    if (!name) throw new TypeError('the parser lets known actions through only')
    return actions[name](context)
  },
  print: async (data, page) => (await import('../output/split.ts')).printSplit(data, page),
})
