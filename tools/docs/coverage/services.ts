import type { Requirement } from './requirement.ts'

/** N: from one shared database to a database for each service. */
export const services: readonly Requirement[] = [
  {
    id: 'N1',
    asks: 'each service has its own database, migrations with a history, and user',
    state: 'later',
    missing: 'The split. Roles of each service and bundles of chosen modules are there.',
    objects: ['core.create_service_roles()', 'imhotep bundle'],
    tests: {
      'packages/engine/src/plan/plan-modules.test.ts': ['leaves out foreign keys into modules that are not chosen'],
    },
  },
  {
    id: 'N2',
    asks: 'every table belongs to one service, and every dependency between services is found and documented',
    state: 'partly',
    objects: [
      'schema/billing/module.json',
      'docs/reference/schema/README.md',
      'packages/engine/src/parse/references.ts',
    ],
    tests: {
      'packages/engine/src/modules/read-modules.test.ts': [
        'checkModules: finds names that lead out of the requirements',
      ],
      'packages/engine/src/parse/references.test.ts': ['looks into SQL and PL/pgSQL bodies'],
    },
    missing: 'Ours is mapped and checked; the analysis of a foreign schema, and of queries in code, is not there.',
  },
  { id: 'N3', asks: 'export and import for each service, verified', state: 'later', missing: 'The split.' },
  {
    id: 'N4',
    asks: 'export, import, configure, test and verify a service, by machine or by hand',
    state: 'later',
    missing: 'The split.',
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
  { id: 'N7', asks: 'a way back from every step', state: 'later', missing: 'The split.' },
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
    state: 'later',
    missing: 'The split.',
  },
  { id: 'N10', asks: 'a dashboard of the separation', state: 'later', missing: 'The split.' },
  {
    id: 'N11',
    asks: 'targets: no shared table, no query across services, less than 10 % slower',
    state: 'later',
    missing: 'The split.',
  },
]
