import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import { withTenant } from '@imhotep/kernel'
import {
  ControlIdReusedError,
  EndpointNotActiveError,
  IllegalTransitionError,
  MessageUnknownError,
  NotPermittedError,
  ReasonRequiredError,
} from '@imhotep/postgres'
import { addPatient, digest, withHospital, type Hospital } from '../hospital.fixture.ts'
import { beginEmrCall, disableConnection, enableConnection, finishEmrCall, savePollCursor } from './emr-connections.ts'
import { activateEndpoint, pauseEndpoint, retireEndpoint } from './endpoints.ts'
import { activateMapping, findMapping, mapMessage, retireMapping, testMapping } from './mapping-rules.ts'
import {
  applyMessage,
  claimMessages,
  failMessage,
  ignoreMessage,
  markSent,
  parseMessage,
  queueMessage,
  recordAck,
  recordMessage,
  rejectMessage,
  replayMessage,
} from './messages.ts'

test('endpoints: a draft is activated, paused for a reason, retired; each step answers the same twice', () =>
  withHospital(async (hospital) => {
    const { run } = hospital
    const id = await addEndpoint(hospital, { activate: false })

    await assert.rejects(record(hospital, id, 'M-1'), EndpointNotActiveError)
    const active = await run((tx) => activateEndpoint(tx, id))
    const again = await run((tx) => activateEndpoint(tx, id))
    await assert.rejects(
      run((tx) => pauseEndpoint(tx, id, '')),
      ReasonRequiredError,
    )
    const paused = await run((tx) => pauseEndpoint(tx, id, 'they move'))
    const retired = await run((tx) => retireEndpoint(tx, id, 'moved'))

    assert.deepEqual(again, active)
    assert.deepEqual([active.status, paused.status, retired.status], ['active', 'paused', 'retired'])
    await assert.rejects(
      run((tx) => activateEndpoint(tx, id)),
      IllegalTransitionError,
    )
  }))

test('recordMessage: delivered again it is one message; the same control id with another text is refused', () =>
  withHospital(async (hospital) => {
    const endpoint = await addEndpoint(hospital)
    const other = await addEndpoint(hospital)

    const answers = await Promise.all(Array.from({ length: 20 }, () => record(hospital, endpoint, 'M-1')))
    const elsewhere = await record(hospital, other, 'M-1', 'other text')
    await assert.rejects(record(hospital, endpoint, 'M-1', 'other text'), ControlIdReusedError)
    // what the claim forgets after two days, the messages themselves remember
    await hospital.admin.query('delete from core.idempotency_keys where tenant_id = $1', [hospital.tenant])
    const late = await record(hospital, endpoint, 'M-1')
    await hospital.admin.query('delete from core.idempotency_keys where tenant_id = $1', [hospital.tenant])
    await assert.rejects(record(hospital, endpoint, 'M-1', 'other text'), ControlIdReusedError)

    assert.equal(new Set([...answers, late].map(({ id }) => id)).size, 1)
    assert.notEqual(elsewhere.id, late.id)
    assert.equal(late.ackCode, null)
  }))

test('recordMessage: answers CA at once in enhanced mode, and rejects types that the endpoint does not take', () =>
  withHospital(async (hospital) => {
    const endpoint = await addEndpoint(hospital, { ackMode: 'enhanced', types: ['ADT', 'ORU^R01'] })

    const accepted = await record(hospital, endpoint, 'M-1')
    const rejected = await record(hospital, endpoint, 'M-2', 'text', 'ORU', 'R30')
    const again = await record(hospital, endpoint, 'M-2', 'text', 'ORU', 'R30')

    assert.deepEqual([accepted.status, accepted.ackCode], ['received', 'CA'])
    assert.deepEqual([rejected.status, rejected.ackCode], ['rejected', 'CR'])
    assert.deepEqual(again, rejected)
  }))

test('a message in: claimed once, parsed, applied with AA, and only where a mapping rule is active', () =>
  withHospital(async (hospital) => {
    const { run } = hospital
    const endpoint = await addEndpoint(hospital)
    const patientId = await addPatient(hospital, 'Asha')
    await record(hospital, endpoint, 'M-1')

    const claimed = await run((tx) => claimMessages(tx, { direction: 'in' }))
    const none = await run((tx) => claimMessages(tx, { direction: 'in' }))
    const id = claimed[0]?.id ?? ''
    const parsed = await run((tx) => parseMessage(tx, id, Buffer.from([1]), patientId))
    const apply = () =>
      run((tx) => applyMessage(tx, { messageId: id, subjectType: 'patient.patients', subjectId: patientId }))
    await assert.rejects(apply(), MessageUnknownError)
    await addActiveRule(hospital, endpoint)
    const applied = await apply()
    const again = await apply()

    assert.deepEqual([claimed.length, claimed[0]?.attempts, none.length], [1, 1, 0])
    assert.deepEqual([parsed.status, parsed.patientId], ['parsed', patientId])
    assert.deepEqual([applied.status, applied.ackCode, applied.nextAttemptAt], ['applied', 'AA', null])
    assert.deepEqual(again, applied)
    await assert.rejects(
      run((tx) => failMessage(tx, { messageId: id, error: 'too late' })),
      IllegalTransitionError,
    )
  }))

test('a message that fails waits, is replayed as a new row, and dies when it cannot succeed', () =>
  withHospital(async (hospital) => {
    const { run } = hospital
    const endpoint = await addEndpoint(hospital)
    const { id } = await record(hospital, endpoint, 'M-1')
    const { id: unreadable } = await record(hospital, endpoint, 'M-2')
    const { id: unneeded } = await record(hospital, endpoint, 'M-3')

    const failed = await run((tx) =>
      failMessage(tx, { messageId: id, error: 'PID-3: unknown', errorSegments: [{ location: 'PID-3' }] }),
    )
    const replay = await run((tx) => replayMessage(tx, id))
    const again = await run((tx) => replayMessage(tx, id))
    const dead = await run((tx) => failMessage(tx, { messageId: replay.id, error: 'PID-3: unknown', permanent: true }))
    const second = await run((tx) => replayMessage(tx, id))
    const rejected = await run((tx) => rejectMessage(tx, { messageId: unreadable, error: 'MSH-2: not a separator' }))
    await run((tx) => parseMessage(tx, unneeded, Buffer.from([1])))
    const ignored = await run((tx) => ignoreMessage(tx, unneeded, 'nothing new'))

    assert.deepEqual([failed.status, failed.ackCode], ['failed', 'AE'])
    assert.ok((failed.nextAttemptAt ?? new Date(0)) > new Date())
    assert.deepEqual(again, replay)
    assert.deepEqual([replay.replayOfId, replay.status, replay.controlId], [id, 'received', 'M-1'])
    assert.deepEqual([dead.status, rejected.ackCode, ignored.ackCode], ['dead', 'AR', 'AA'])
    assert.notEqual(second.id, replay.id)
    await assert.rejects(
      run((tx) => replayMessage(tx, unneeded)),
      IllegalTransitionError,
    )
  }))

test('claimMessages: takes over what a worker left parsed, and ends what no worker ever finishes', () =>
  withHospital(async (hospital) => {
    const { run } = hospital
    const endpoint = await addEndpoint(hospital)
    const { id } = await record(hospital, endpoint, 'M-1')
    const claim = () => run((tx) => claimMessages(tx, { direction: 'in' }))
    const leaseIsOver = () =>
      force(hospital, 'update interop.hl7_messages set next_attempt_at = now() where id = $1', [id])

    await claim()
    await run((tx) => parseMessage(tx, id, Buffer.from([1])))
    await leaseIsOver()
    const [second] = await claim()
    assert.deepEqual([second?.id, second?.status, second?.attempts], [id, 'parsed', 2])
    for (let attempt = 3; attempt <= 8; attempt++) {
      await leaseIsOver()
      assert.equal((await claim())[0]?.attempts, attempt)
    }
    await leaseIsOver()
    assert.deepEqual(await claim(), [])
    const [end] = await run((tx) =>
      tx.query('select status, attempts, ack_code, ack_text from interop.hl7_messages where id = $1', [id]),
    )
    assert.deepEqual(end, {
      status: 'dead',
      attempts: 8,
      ack_code: 'AE',
      ack_text: 'given up: 8 attempts were begun and none ended',
    })
  }))

test('a message out: queued once, sent, answered; AE is tried again, AR is the end', () =>
  withHospital(async (hospital) => {
    const { run } = hospital
    const endpoint = await addEndpoint(hospital, { direction: 'both' })
    const queue = (controlId: string) =>
      run((tx) =>
        queueMessage(tx, {
          endpointId: endpoint,
          controlId,
          messageType: 'ADT',
          triggerEvent: 'A01',
          rawEnc: Buffer.from([1]),
          rawHash: digest(controlId),
        }),
      )
    const queued = await queue('O-1')
    const again = await queue('O-1')
    const second = await queue('O-2')

    const sent = await run((tx) => markSent(tx, queued.id))
    const acked = await run((tx) => recordAck(tx, queued.id, 'AA'))
    await run((tx) => markSent(tx, second.id))
    const failed = await run((tx) => recordAck(tx, second.id, 'AE', 'try later'))
    await force(hospital, 'update interop.hl7_messages set next_attempt_at = now() where id = $1', [second.id])
    const retried = await run((tx) => claimMessages(tx, { direction: 'out' }))
    await run((tx) => markSent(tx, second.id))
    const refused = await run((tx) => recordAck(tx, second.id, 'AR', 'not for us'))

    assert.deepEqual(again, queued)
    assert.deepEqual([queued.status, sent.status, acked.status], ['queued', 'sent', 'acked'])
    assert.deepEqual([failed.status, retried[0]?.id, retried[0]?.status], ['failed', second.id, 'queued'])
    assert.deepEqual([refused.status, refused.ackCode], ['dead', 'AR'])
  }))

test('mapping rules: tested before they are used, activated by another person, one version at a time', () =>
  withHospital(async (hospital) => {
    const { run, users } = hospital
    const endpoint = await addEndpoint(hospital)
    const first = await addActiveRule(hospital, endpoint)
    const next = await addRule(hospital, endpoint, { version: 2, codes: { M: 'male' } })
    const second = (id: string) => run((tx) => activateMapping(tx, id), { user: users[1] })

    await assert.rejects(
      run((tx) => activateMapping(tx, next)),
      NotPermittedError,
    )
    await assert.rejects(second(next), MessageUnknownError)
    const [result] = await run((tx) => testMapping(tx, next))
    await run((tx) =>
      tx.query(`update interop.mapping_rules set code_map = '{"sex": {"F": "female"}}' where id = $1`, [next]),
    )
    const active = await second(next)
    const again = await second(next)
    const found = await run((tx) => findMapping(tx, endpoint, 'ADT', 'A04'))
    const mapped = await run((tx) =>
      mapMessage(tx, active.mapping, active.codeMap, { 'PID-8': 'F', 'PID-5.2': 'Asha' }),
    )

    assert.deepEqual([result?.passed, result?.got], [false, { sex: null, given_name: null, source: 'hl7' }])
    assert.deepEqual(again, active)
    assert.deepEqual(
      found.map(({ id }) => id),
      [next],
    )
    assert.deepEqual(mapped, { sex: 'female', given_name: 'Asha', source: 'hl7' })
    const [old] = await run((tx) => tx.query(`select status from interop.mapping_rules where id = $1`, [first]))
    assert.deepEqual(old, { status: 'retired' })
    await assert.rejects(
      run((tx) => tx.query(`update interop.mapping_rules set mapping = '{}' where id = $1`, [next])),
      NotPermittedError,
    )
    await run((tx) => retireMapping(tx, next))
    await assert.rejects(
      run((tx) => findMapping(tx, endpoint, 'ADT', 'A04')),
      MessageUnknownError,
    )
  }))

test('connections: failures in a row open the circuit, one caller tries after the pause, a success closes it', () =>
  withHospital(async (hospital) => {
    const { run, tenant } = hospital
    const id = randomUUID()
    await run((tx) =>
      tx.query(
        `insert into interop.emr_connections (tenant_id, id, name, emr_system, base_url, auth)
         values ($1, $2, 'District', 'GENERIC_FHIR', 'https://fhir.example.org/r4', 'smart_backend')`,
        [tenant, id],
      ),
    )
    const end = (ok: boolean) => run((tx) => finishEmrCall(tx, { connectionId: id, ok, error: 'timeout' }))

    const tested = await run((tx) => beginEmrCall(tx, id))
    const active = await end(true)
    for (let failure = 1; failure < 5; failure++) await end(false)
    const open = await end(false)
    await assert.rejects(
      run((tx) => beginEmrCall(tx, id)),
      EndpointNotActiveError,
    )
    await force(hospital, 'update interop.emr_connections set retry_at = now() where id = $1', [id])
    const half = await run((tx) => beginEmrCall(tx, id))
    await assert.rejects(
      run((tx) => beginEmrCall(tx, id)),
      EndpointNotActiveError,
    )
    const closed = await end(true)
    const cursor = await run((tx) => savePollCursor(tx, id, 'Observation', 'page-2'))
    const disabled = await run((tx) => disableConnection(tx, id, 'contract ended'))
    const enabled = await run((tx) => enableConnection(tx, id))

    assert.deepEqual([tested.status, active.status], ['testing', 'active'])
    assert.deepEqual([open.status, open.circuitState, open.failureCount], ['degraded', 'open', 5])
    assert.deepEqual([half.circuitState, closed.circuitState, closed.status], ['half_open', 'closed', 'active'])
    assert.deepEqual(cursor.pollCursors, { Observation: 'page-2' })
    assert.deepEqual([disabled.status, enabled.status], ['disabled', 'active'])
  }))

/** One statement in the tenant that no application may send. */
function force({ admin, tenant, users }: Hospital, sql: string, params: unknown[]): Promise<unknown> {
  const context = { tenant, user: users[0], role: 'admin', purpose: 'HOPERAT' } as const
  return withTenant(admin, context, (tx) => tx.query(sql, params))
}

interface EndpointOptions {
  activate?: boolean
  direction?: string
  ackMode?: string
  types?: string[]
}

async function addEndpoint({ run, tenant }: Hospital, options: EndpointOptions = {}): Promise<string> {
  const { activate = true, direction = 'in', ackMode = 'original', types = [] } = options
  const id = randomUUID()
  await run(async (tx) => {
    await tx.query(
      `insert into interop.endpoints (tenant_id, id, code, kind, direction, address, ack_mode, message_types)
       values ($1, $2, $3, 'hl7v2_mllp', $4, 'peer.example.org:2575', $5, $6)`,
      [tenant, id, id.slice(0, 8), direction, ackMode, types],
    )
    if (activate) await activateEndpoint(tx, id)
  })
  return id
}

function record(
  { run }: Hospital,
  endpointId: string,
  controlId: string,
  text = 'text',
  messageType = 'ADT',
  triggerEvent = 'A04',
) {
  const message = { endpointId, controlId, messageType, triggerEvent, rawEnc: Buffer.from(text), rawHash: digest(text) }
  return run((tx) => recordMessage(tx, message))
}

async function addRule(
  { run, tenant }: Hospital,
  endpointId: string,
  { version, codes }: { version: number; codes: Record<string, string> },
): Promise<string> {
  const id = randomUUID()
  await run((tx) =>
    tx.query(
      `insert into interop.mapping_rules (
         tenant_id, id, endpoint_id, message_type, target_table, version, mapping, code_map, test_messages
       )
       values ($1, $2, $3, 'ADT', 'patient.patients', $4, $5, $6, $7)`,
      [
        tenant,
        id,
        endpointId,
        version,
        JSON.stringify({ sex: 'PID-8', given_name: 'PID-5.2', source: { value: 'hl7' } }),
        JSON.stringify({ sex: codes }),
        JSON.stringify([{ message: { 'PID-8': 'F' }, expect: { sex: 'female' } }]),
      ],
    ),
  )
  return id
}

async function addActiveRule(hospital: Hospital, endpointId: string): Promise<string> {
  const id = await addRule(hospital, endpointId, { version: 1, codes: { F: 'female' } })
  await hospital.run((tx) => activateMapping(tx, id), { user: hospital.users[1] })
  return id
}
