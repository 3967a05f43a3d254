import type { Requirement } from './requirement.ts'

/** N: from one shared database to a database for each service. */
export const services: readonly Requirement[] = [
  {
    id: 'N1',
    asks: 'each service has its own database, migrations with a history, and user',
    state: 'built',
    objects: [
      'imhotep split',
      'imhotep bundle',
      'packages/split/src/postgres/provision.ts',
      'core.create_service_roles()',
    ],
    tests: {
      'tests/split/whole-split.slow.test.ts': ['every service of a shared database gets its own'],
      'tests/split/test-guide.slow.test.ts': ['passes on a sound split'],
    },
  },
  {
    id: 'N2',
    asks: 'every table belongs to one service, and every dependency between services is found and documented',
    state: 'built',
    objects: ['packages/split/src/map/', 'packages/split/src/deps/', 'schema/billing/module.json', 'imhotep split'],
    tests: {
      'packages/split/src/map/check-owner-map.test.ts': ['checkOwnerMap'],
      'packages/split/src/deps/find-dependencies.test.ts': ['findDependencies'],
      'packages/engine/src/modules/read-modules.test.ts': [
        'checkModules: finds names that lead out of the requirements',
      ],
    },
    note: 'SQL that is put together at run time is seen in logs only; what cannot be read is told as unknown.',
  },
  {
    id: 'N3',
    asks: 'export and import for each service, verified',
    state: 'built',
    objects: ['packages/split/src/transfer/', 'imhotep split'],
    tests: { 'tests/split/transfer.slow.test.ts': ['from MariaDB over files', 'from PostgreSQL over files'] },
  },
  {
    id: 'N4',
    asks: 'export, import, configure, test and verify a service, by machine or by hand',
    state: 'built',
    objects: ['imhotep split', 'packages/split/src/configure/', 'docs/guides/split.md'],
    tests: {
      'packages/split/src/configure/env-file.test.ts': ['keeps the lines of others'],
      'tests/split/whole-split.slow.test.ts': ['every service of a shared database gets its own'],
    },
  },
  {
    id: 'N5',
    asks: 'clients of services with circuit breaker, retries, logging, correlation ids, caching',
    state: 'later',
    missing: 'The server and its clients.',
  },
  {
    id: 'N6',
    asks: 'events between services',
    state: 'partly',
    objects: ['core.outbox_events', 'core.enqueue()', 'core.claim_outbox()', 'core.mark_published()', 'webhook.*'],
    tests: {
      'tests/kernel/outbox.pg.test.ts': [
        '8 relays publish 400 events of 40 aggregates once each',
        'an event that fails too often is parked',
      ],
    },
    missing: 'The outbox in the database is complete; a relay to a broker is not there.',
  },
  {
    id: 'N7',
    asks: 'a way back from every step',
    state: 'built',
    objects: ['packages/split/src/protocol/way-back.ts', 'packages/split/src/protocol/recover.ts'],
    tests: {
      'tests/split/whole-split.slow.test.ts': [
        'cancelled before it began, at its end, and twice',
        'a reverted service serves from the shared database again',
      ],
    },
    note: 'After retire there is none: that is what it gives up.',
  },
  {
    id: 'N8',
    asks: 'history of migrations and a command that shows it',
    state: 'built',
    objects: ['imhotep status', 'core.schema_migrations'],
    tests: {
      'packages/cli/src/commands.pg.test.ts': ['imhotep info: is the same as status'],
      'packages/engine/src/migrate/migration-status.pg.test.ts': [
        'tells applied, edited, missing, failed and pending apart',
      ],
    },
  },
  {
    id: 'N9',
    asks: 'at least eleven tests of the split that run: integrity, isolation, performance, security, way back',
    state: 'built',
    objects: ['packages/split/src/test-guide/', 'docs/guides/split-tests.md', 'imhotep split'],
    tests: {
      'tests/split/test-guide.slow.test.ts': [
        'each test fails when what it asks about is broken',
        'asks in every state what can be asked',
      ],
    },
  },
  {
    id: 'N10',
    asks: 'a dashboard of the separation',
    state: 'built',
    objects: ['packages/split/src/status/', 'imhotep split'],
    tests: {
      'tests/split/status.slow.test.ts': ['tells before, under way and after'],
      'packages/split/src/report/pages.test.ts': ['statusPage: escapes everything'],
    },
  },
  {
    id: 'N11',
    asks: 'targets: no shared table, no query across services, less than 10 % slower',
    state: 'partly',
    objects: ['imhotep split', 'packages/split/src/test-guide/tests/performance.ts'],
    tests: {
      'tests/split/nilecare-split.slow.test.ts': ['NileCare'],
      'packages/split/src/deps/loop-calls/find-loop-calls.test.ts': ['finds a call for each element'],
    },
    missing:
      'Separation and integrity are shown, and that a join with a copy or a cached call is no slower (npm run bench split). One call for all rows takes twice as long as the join, and writes are not compared.',
  },
]
