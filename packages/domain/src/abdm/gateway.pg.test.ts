import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import { LeaseLostError, NotFoundError } from '@imhotep/postgres'
import { withHospital } from '../hospital.fixture.ts'
import { asSuperuser } from './abdm.fixture.ts'
import {
  claimGatewayMessages,
  completeGatewayMessage,
  queueGatewayCall,
  receiveCallback,
  replayGatewayMessage,
  retryGatewayMessage,
} from './gateway.ts'

const bodyEnc = Buffer.from('ciphertext')

test('a call is queued once, sent under a lease, and acknowledged by the callback that answers it', () =>
  withHospital(async ({ run }) => {
    const call = { requestId: randomUUID(), path: '/v3/consent/request/init', bodyEnc, cmId: 'sbx' }
    const callback = {
      requestId: randomUUID(),
      path: '/v3/consent/request/on-init',
      bodyEnc,
      responseTo: call.requestId,
    }

    const queued = await run((tx) => queueGatewayCall(tx, call))
    const again = await run((tx) => queueGatewayCall(tx, call))
    const claimed = await run((tx) => claimGatewayMessages(tx, { direction: 'out' }))
    const none = await run((tx) => claimGatewayMessages(tx, { direction: 'out' }))
    const sent = await run((tx) => completeGatewayMessage(tx, claimed[0] ?? queued, { httpStatus: 202 }))
    const received = await run((tx) => receiveCallback(tx, callback))
    const twice = await run((tx) => receiveCallback(tx, callback))
    const [work] = await run((tx) => claimGatewayMessages(tx, { direction: 'in' }))
    const done = await run((tx) => completeGatewayMessage(tx, work ?? received))
    const [answered] = await run((tx) =>
      tx.query<{ status: string }>('select status from abdm.gateway_messages where id = $1', [queued.id]),
    )

    assert.equal(again.id, queued.id)
    assert.deepEqual([claimed.length, none.length], [1, 0])
    assert.deepEqual([sent.status, done.status, answered?.status], ['sent', 'completed', 'acknowledged'])
    assert.equal(twice.id, received.id)
  }))

test('a message that fails comes again, is given up after ten attempts, and a person replays it', () =>
  withHospital(async (hospital) => {
    const { run } = hospital
    await run((tx) => receiveCallback(tx, { requestId: randomUUID(), path: '/v3/hip/patient/share', bodyEnc }))
    const states: string[] = []
    for (let attempt = 1; attempt <= 10; attempt++) {
      await asSuperuser(
        hospital,
        'update abdm.gateway_messages set next_attempt_at = now() where tenant_id = core.current_tenant_id()',
      )
      const [work] = await run((tx) => claimGatewayMessages(tx, { direction: 'in' }))
      assert.ok(work)
      states.push((await run((tx) => retryGatewayMessage(tx, work, 'patient_unknown'))).status)
    }
    const [{ id } = { id: '' }] = await asSuperuser<{ id: string }>(
      hospital,
      'select id from abdm.gateway_messages where tenant_id = core.current_tenant_id()',
    )

    const replayed = await run((tx) => replayGatewayMessage(tx, id))

    assert.deepEqual([states.slice(0, 9).every((state) => state === 'pending'), states[9]], [true, 'failed'])
    assert.deepEqual([replayed.status, replayed.attempts], ['pending', 0])
    await assert.rejects(
      run((tx) => replayGatewayMessage(tx, id)),
      NotFoundError,
    )
  }))

test('a worker whose lease ran out cannot complete what another one holds', () =>
  withHospital(async (hospital) => {
    const { run } = hospital
    await run((tx) => receiveCallback(tx, { requestId: randomUUID(), path: '/v3/hip/patient/share', bodyEnc }))
    const [slow] = await run((tx) => claimGatewayMessages(tx, { direction: 'in' }))
    await asSuperuser(
      hospital,
      `update abdm.gateway_messages set locked_until = now() - interval '1 second' where tenant_id = core.current_tenant_id()`,
    )
    const [fast] = await run((tx) => claimGatewayMessages(tx, { direction: 'in' }))
    assert.ok(slow && fast)

    assert.equal(fast.attempts, 2)
    await assert.rejects(
      run((tx) => completeGatewayMessage(tx, slow)),
      LeaseLostError,
    )
    assert.equal((await run((tx) => completeGatewayMessage(tx, fast))).status, 'completed')
  }))

test('a token among the headers is refused', () =>
  withHospital(async ({ run }) => {
    const message = { requestId: randomUUID(), path: '/v3/hip/token', bodyEnc, headers: { 'X-Link-Token': 'secret' } }

    await assert.rejects(
      run((tx) => receiveCallback(tx, message)),
      { constraint: 'gateway_messages_headers_without_tokens' },
    )
  }))
