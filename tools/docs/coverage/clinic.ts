import type { Requirement } from './requirement.ts'

/** C: migrations, security and seeds for a clinic. */
export const clinic: readonly Requirement[] = [
  {
    id: 'C1',
    asks: 'extensions, schemas, and the trigger function that keeps updated_at',
    state: 'built',
    objects: ['schema/core/000-schema.sql', 'core.update_updated_at_column()'],
    tests: {
      'tests/bundle.slow.test.ts': ['V001: applied twice is applied once'],
      'tests/kernel/row-triggers.pg.test.ts': ['update_updated_at_column: keeps who changed a row and when'],
    },
  },
  {
    id: 'C2',
    asks: 'the enumerated types of a module in one place',
    state: 'built',
    objects: [
      'auth.user_role',
      'scheduling.appointment_status',
      'payment.payment_status',
      'schema/scheduling/010-types.sql',
      'docs/decisions/0003-text-and-check-against-enums.md',
    ],
    tests: { 'tests/demo.pg.test.ts': ['the states of appointments are those of the enumerated type'] },
  },
  {
    id: 'C3',
    asks: 'clinics and users',
    state: 'built',
    objects: ['facility.clinics', 'auth.users', 'auth.roles', 'auth.user_roles'],
    tests: {
      'tests/auth/user-roles.pg.test.ts': ['what a user may do follows from the grants that are valid now'],
      'tests/auth/sign-in.pg.test.ts': ['the fifth wrong password locks'],
    },
  },
  {
    id: 'C4',
    asks: 'patients, doctors, staff',
    state: 'built',
    objects: ['patient.patients', 'workforce.doctors', 'workforce.staff', 'patient.register()', 'patient.merge()'],
    tests: {
      'tests/patient/register.pg.test.ts': ['gives the patient an MRN of the series'],
      'tests/patient/merge.pg.test.ts': ['moves identifiers and contacts to the survivor'],
    },
  },
  {
    id: 'C5',
    asks: 'appointments, slots, queues',
    state: 'built',
    objects: [
      'scheduling.appointments',
      'scheduling.appointment_slots',
      'scheduling.queue_management',
      'scheduling.generate_slots()',
      'scheduling.issue_token()',
      'scheduling.call_next()',
    ],
    tests: {
      'tests/scheduling/appointments.pg.test.ts': ['a visit from booking to its end'],
      'tests/races/queue.slow.test.ts': ['4 counters, killed now and then, call 100 tokens'],
    },
  },
  {
    id: 'C6',
    asks: 'medical records, prescriptions and their items, results of laboratory and imaging, vaccinations',
    state: 'built',
    objects: [
      'clinical.medical_records',
      'medication.prescriptions',
      'medication.prescription_items',
      'laboratory.lab_results',
      'clinical.imaging_results',
      'clinical.vaccination_records',
    ],
    tests: {
      'packages/domain/src/clinical/clinical.pg.test.ts': [
        'medical record: signed by its author',
        'giveVaccination: a dose is given once',
        'imaging: a critical finding is told',
      ],
      'packages/domain/src/medication/medication.pg.test.ts': ['activatePrescription: only the prescriber'],
      'packages/domain/src/laboratory/laboratory.pg.test.ts': ['correctResult: a new row'],
    },
  },
  {
    id: 'C7',
    asks: 'payments, their items, insurance claims',
    state: 'built',
    objects: ['payment.payments', 'payment.payment_items', 'insurance.insurance_claims', 'payment.receive()'],
    tests: {
      'packages/domain/src/payment/payment.pg.test.ts': ['receivePayment: pays the bills that its items name'],
      'packages/domain/src/insurance/insurance.pg.test.ts': ['submitClaim: after discharge'],
    },
  },
  {
    id: 'C8',
    asks: 'notifications by SMS, WhatsApp and email',
    state: 'built',
    objects: [
      'communication.notifications',
      'communication.sms_messages',
      'communication.whatsapp_messages',
      'communication.email_messages',
      'communication.queue_notification()',
    ],
    tests: {
      'packages/domain/src/communication/communication.pg.test.ts': [
        'claimNotifications: each is sent by one dispatcher',
        'templates: an Indian SMS needs its DLT id',
      ],
    },
  },
  {
    id: 'C9',
    asks: 'telemedicine sessions, settings, feature flags, webhooks and their log',
    state: 'built',
    objects: [
      'scheduling.telemedicine_sessions',
      'core.system_settings',
      'core.feature_flags',
      'webhook.integration_webhooks',
      'webhook.webhook_logs',
    ],
    tests: {
      'tests/kernel/context.pg.test.ts': ['setting: the row of the tenant overrides the shared row'],
      'packages/domain/src/webhook/webhook.pg.test.ts': ['markEventResult: the log holds no credentials'],
    },
    note: 'Telemedicine sessions are a table with rules and demo rows; they have no operation of their own.',
  },
  {
    id: 'C10',
    asks: 'a partitioned audit log and its triggers on every sensitive table',
    state: 'built',
    objects: ['audit.audit_logs', 'audit.track()', 'packages/engine/src/verify/rules/audit-coverage.ts'],
    tests: {
      'tests/kernel/audit.pg.test.ts': ['audit.track: logs inserts, changed columns of updates'],
      'packages/engine/src/verify/rules/audit-coverage.test.ts': ['finds a protected table without triggers'],
      'tests/sabotage/rules.slow.test.ts': ['the rules notice'],
    },
  },
  {
    id: 'C11',
    asks: 'row level security on every tenant or sensitive table',
    state: 'built',
    objects: [
      'packages/engine/src/verify/rules/rls-enabled.ts',
      'packages/engine/src/verify/rules/rls-forced.ts',
      'packages/engine/src/verify/rules/tenant-policy.ts',
    ],
    tests: {
      'packages/engine/src/verify/verify-database.pg.test.ts': ['finds no error in the schema as it is built'],
      'packages/engine/src/verify/rules/tenant-policy.test.ts': ['finds a table without the policy'],
    },
  },
  {
    id: 'C12',
    asks: 'helper functions: numbers of appointments, body mass index, encryption',
    state: 'built',
    objects: [
      'scheduling.generate_appointment_number()',
      'patient.calculate_bmi()',
      'core.encrypt_text()',
      'core.decrypt_text()',
      'core.blind_index()',
      'core.encryption_keys',
    ],
    tests: {
      'tests/patient/rules.pg.test.ts': ['calculate_bmi: kilograms over metres squared'],
      'tests/scheduling/appointments.pg.test.ts': ['a visit from booking to its end'],
      'tests/kernel/encryption.pg.test.ts': [
        'encrypt_text: the same key reads it',
        'blind_index: finds the same value',
        'shred_key: the wrapped key is gone for good',
      ],
    },
    note: 'Encryption inside the database is for tools and off by default: applications encrypt before they write.',
  },
  {
    id: 'C13',
    asks: 'booking as a procedure of the database that no race can break',
    state: 'built',
    objects: [
      'booking.create_booking()',
      'booking.booking_requests',
      'booking.hold_slot()',
      'bench/results/booking.json',
    ],
    tests: {
      'tests/races/booking.slow.test.ts': [
        '200 sessions on a slot of capacity 5 make 5 appointments and 195 stored refusals',
        'one key sent 50 times at once is one booking',
      ],
    },
  },
  {
    id: 'C14',
    asks: 'webhooks: a worker claims the next event and marks its result',
    state: 'built',
    objects: ['webhook.claim_next_event()', 'webhook.claim_events()', 'webhook.mark_event_result()'],
    tests: {
      'tests/races/webhook.slow.test.ts': ['8 workers handle 2,000 events of 2 tenants once each'],
      'packages/domain/src/webhook/webhook.pg.test.ts': ['markEventResult: tries again with growing pauses'],
    },
  },
  {
    id: 'C15',
    asks: 'indexes on foreign keys and on what is filtered or sorted; views of coming appointments and of patients',
    state: 'built',
    objects: [
      'packages/engine/src/verify/rules/foreign-key-index.ts',
      'packages/engine/src/verify/rules/useless-index-under-rls.ts',
      'scheduling.upcoming_appointments',
      'patient.patient_summary',
    ],
    tests: {
      'tests/plans/operation-plans.slow.test.ts': ['goes by an index that tells more than the tenant'],
      'packages/engine/src/verify/rules/foreign-key-index.test.ts': ['finds a reference without an index'],
      'tests/scheduling/appointments.pg.test.ts': ['upcoming_appointments: shows an application the live visits'],
      'tests/patient/rules.pg.test.ts': ['patient_summary: one row a patient'],
    },
    note: 'Inverted (GIN) indexes are of no use to an application under row level security: names are searched by hashed trigrams.',
  },
  {
    id: 'C16',
    asks: 'system rows for every environment, production included',
    state: 'built',
    objects: ['imhotep seed', 'schema/core/seed/system', 'schema/auth/seed/system'],
    tests: {
      'packages/engine/src/seed/apply-seeds.pg.test.ts': ['applies a file once, and again when it has changed'],
    },
  },
  {
    id: 'C17',
    asks: 'demo rows, refused in production by the tool and by the database',
    state: 'built',
    objects: ['core.assert_not_production()', 'core.set_environment()', 'schema/core/seed/demo'],
    tests: {
      'tests/demo.pg.test.ts': ['on production the database refuses each file by itself'],
      'packages/cli/src/commands.pg.test.ts': ['imhotep seed demo: is refused on a production database'],
      'tests/kernel/environment.pg.test.ts': ['the seed files sent by psql'],
    },
  },
  {
    id: 'C18',
    asks: 'migrations run in sequence, seeds by a command of their own',
    state: 'built',
    objects: ['imhotep migrate', 'imhotep seed', 'imhotep status'],
    tests: {
      'packages/engine/src/migrate/apply-migrations.pg.test.ts': [
        'applies what is pending in version order and nothing a second time',
        'a file that fails leaves nothing, the files before it stay',
      ],
      'packages/engine/src/migrate/kill-migrations.slow.test.ts': ['100 kills spread over the whole run'],
    },
  },
  {
    id: 'C19',
    asks: 'each file is checked: complete, repeatable, atomic, in order; views return what they should',
    state: 'built',
    objects: ['imhotep verify', 'imhotep bundle', 'packages/engine/src/verify/rules/comments-complete.ts'],
    tests: {
      'tests/bundle.slow.test.ts': ['equals the modules applied one by one'],
      'packages/engine/src/bundle/bundle-modules.test.ts': ['names every statement that cannot run twice'],
      'tests/demo.pg.test.ts': ['shows each tenant rows of its own'],
    },
  },
]
