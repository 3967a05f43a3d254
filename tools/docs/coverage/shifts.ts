import type { Requirement } from './requirement.ts'

/** E: verified tasks and handover of shifts, offline first. */
export const shifts: readonly Requirement[] = [
  {
    id: 'E1',
    asks: 'users, departments, shifts, tasks, verifications and handovers with their enumerated types',
    state: 'built',
    objects: [
      'auth.users',
      'facility.departments',
      'workforce.shifts',
      'tasking.tasks',
      'tasking.emr_verifications',
      'tasking.handovers',
      'tasking.task_status',
      'tasking.task_priority',
      'auth.user_role',
      'core.emr_system',
      'tasking.verification_status',
    ],
    tests: {
      'tests/kernel/every-transition.pg.test.ts': ['a legal move passes, every other pair of states raises IM001'],
      'packages/domain/src/tasking/tasking.pg.test.ts': [
        'started, held, done, seen by a second person',
        'what the EMR shows completes and verifies the task',
      ],
      'packages/domain/src/tasking/handovers.pg.test.ts': ['go to the next shift in one step'],
    },
  },
  {
    id: 'E2',
    asks: 'patients with a unique MRN, a unique id of the EMR, encrypted health data, soft delete, validation; tasks refer to them',
    state: 'built',
    objects: [
      'patient.patients.mrn',
      'patient.patients.emr_system',
      'patient.patients.emr_id',
      'patient.patients.phi_enc',
      'patient.patients.deleted_at',
      'patient.check_mrn()',
      'patient.check_birth_date()',
      'tasking.tasks.patient_id',
      'patient.patient_summary',
      'tasking.patient_task_summary',
    ],
    tests: {
      'tests/patient/register.pg.test.ts': [
        'register: refuses a birth date',
        'refuses plain text in an encrypted column',
        'register: gives the patient an MRN of the series',
      ],
    },
  },
  {
    id: 'E3',
    asks: 'the audit log as a time series: monthly parts, compression after 90 days, seven years, aggregates and reports by name',
    state: 'built',
    objects: [
      'audit.audit_logs',
      'audit.audit_archives',
      'audit.audit_metrics_hourly',
      'audit.audit_compliance_daily',
      'audit.get_audit_logs_time_range()',
      'audit.get_compliance_summary()',
      'audit.audit_logs_recent',
      'imhotep audit',
    ],
    tests: {
      'packages/kernel/src/audit-archive.pg.test.ts': [
        'every row of every tenant reads as before',
        'filters and limits archived rows as it does those of the log',
      ],
      'packages/kernel/src/audit-seal.pg.test.ts': ['the rollups count every event once'],
    },
    note: 'On native partitions and archives of our own; TimescaleDB is neither needed nor used.',
  },
  {
    id: 'E4',
    asks: 'an immutable audit log with patient, address, agent and session; seven years; clean-up by schedule',
    state: 'partly',
    objects: [
      'audit.audit_logs.patient_id',
      'audit.audit_logs.emr_id',
      'audit.audit_logs.ip',
      'audit.audit_logs.user_agent',
      'audit.audit_logs.session_id',
      'audit.drop_expired_partitions()',
      'audit.seal()',
      'audit.seal_signed()',
      'audit.verify_chain()',
      'tasking.emr_verification_report',
    ],
    tests: {
      'tests/kernel/audit.pg.test.ts': ['the log: nobody changes, deletes or truncates a row, the superuser included'],
      'packages/kernel/src/audit-seal.pg.test.ts': [
        'an untouched chain verifies',
        'verifyAuditChain: finds a chain that a superuser made anew',
      ],
    },
    missing: 'Clean-up is a function for a scheduler of your own.',
  },
  {
    id: 'E5',
    asks: 'vector clocks and hybrid logical clocks on tasks, handovers and verifications; synchronisation of offline work',
    state: 'partly',
    missing: 'The database merges what devices send; the client that works offline is not there.',
    objects: [
      'tasking.tasks.vector_clock',
      'tasking.tasks.hlc_physical_us',
      'tasking.sync_operations',
      'tasking.merge_operation()',
      'tasking.open_conflicts',
    ],
    tests: {
      'packages/domain/src/tasking/merge-operation.pg.test.ts': [
        'the later write of each field stands',
        'equal times are decided by the node',
        'a conflict, which a person decides once',
      ],
    },
  },
  {
    id: 'E6',
    asks: 'Prisma schemas for each service, generated from the database',
    state: 'later',
    missing: 'Generators.',
  },
  {
    id: 'E7',
    asks: 'Knex configuration for each environment, and migrations',
    state: 'partly',
    objects: ['packages/engine/src/migrate/knex', 'docs/guides/knex.md'],
    tests: {
      'packages/engine/src/migrate/knex/knex-migrations.pg.test.ts': [
        'a history of Knex files comes to what Knex makes of it',
        'keepKnex makes the table of Knex, so that a team can move back',
      ],
    },
    missing: 'Knex files are read, linted and run; none are generated.',
  },
  {
    id: 'E8',
    asks: 'mistakes across migration files are caught: made twice, used before made, renamed, colliding numbers',
    state: 'built',
    objects: ['imhotep lint', 'packages/engine/src/lint/rules', 'docs/reference/lint.md'],
    tests: {
      'packages/engine/src/lint/lint-files.test.ts': ['tells all defects of a history in one run, each with both ends'],
      'packages/engine/src/lint/rules/rules.test.ts': ['finds the marked lines of bad.sql, all of them and no other'],
    },
  },
  {
    id: 'E9',
    asks: 'latest, back to nothing, latest again leaves the same schema',
    state: 'built',
    objects: ['imhotep undo', 'packages/engine/src/undo/undo-migrations.ts'],
    tests: {
      'packages/engine/src/undo/undo-migrations.pg.test.ts': [
        'latest, everything taken back, latest again is the same schema',
      ],
      'packages/engine/src/undo/undo-knex.pg.test.ts': ['goes back by its down, or computed where down does nothing'],
      'packages/engine/src/undo/undo-hospital.slow.test.ts': ['V001 of the hospital and two increments'],
    },
  },
  {
    id: 'E10',
    asks: 'reads of a time range 10 to 100 times faster than on a plain table, old data 90 % smaller',
    state: 'partly',
    objects: ['bench/benches/audit-read.ts', 'bench/results/audit-read.json', 'audit.audit_archives'],
    tests: { 'packages/kernel/src/audit-archive.pg.test.ts': ['encode_rows: gives back the very text of any row'] },
    missing:
      'A day is read 40 to 168 times faster than from a table without an index, and packing saves 88 %, not 90 %.',
  },
  {
    id: 'E11',
    asks: 'HIPAA: every access to health data is logged, fields encrypted, rows secured, deletes soft, access by role and department',
    state: 'partly',
    objects: [
      'audit.phi_access_logs',
      'audit.log_access()',
      'audit.open_break_glass()',
      'auth.user_permissions',
      'packages/compliance/src/rules/hipaa.ts',
    ],
    tests: {
      'packages/domain/src/audit/audit.pg.test.ts': ['openBreakGlass: needs a reason, is open once'],
      'tests/kernel/audit.pg.test.ts': ['log_access: emergency purpose needs an open session'],
      'packages/compliance/src/run-compliance.pg.test.ts': ['answers every rule of every family'],
    },
    missing: 'Reads are logged when the application calls log_access; access by department is left to it.',
  },
  {
    id: 'E12',
    asks: 'beside it: services, reading HL7 v2, adapters for FHIR, streams of events',
    state: 'later',
    missing: 'Messages are stored, mapped by rules and answered; parsing, adapters and a broker come with the server.',
    objects: ['interop.hl7_messages', 'interop.record_message()', 'interop.mapping_rules', 'fhir.resource_versions'],
    tests: {
      'packages/domain/src/interop/interop.pg.test.ts': ['a message in: claimed once, parsed, applied with AA'],
    },
  },
]
