import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import fc from 'fast-check'
import { runTasks, type Task } from './run-tasks.ts'

/** Each task waits for some of those before it. */
const tasks = fc.array(fc.array(fc.nat(), { maxLength: 3 }), { maxLength: 12 }).map((lists) =>
  lists.map((list, n): Task => {
    return { name: `t${n}`, after: n === 0 ? [] : list.map((number) => `t${number % n}`), size: list[0] ?? 0 }
  }),
)

async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await setImmediate()
}

test('runTasks: every task runs once, behind all that it waits for, and never two by one worker', () =>
  fc.assert(
    fc.asyncProperty(tasks, fc.array(fc.nat(3), { minLength: 12, maxLength: 12 }), async (all, durations) => {
      const ended: string[] = []
      const worker = () => {
        let busy = false
        return async ({ name, after }: Task) => {
          assert.equal(busy, false)
          assert.deepEqual(
            after.filter((other) => !ended.includes(other)),
            [],
          )
          busy = true
          await turns(durations[Number(name.slice(1))] ?? 0)
          busy = false
          ended.push(name)
        }
      }

      await runTasks(all, [worker(), worker()])

      assert.deepEqual(ended.toSorted(), all.map(({ name }) => name).toSorted())
    }),
  ))

test('runTasks: what need not wait runs at the same time, with one worker in the given order', async () => {
  const all = ['a', 'b', 'c'].map((name) => ({ name, after: name === 'c' ? ['a', 'not among them'] : [], size: 1 }))
  const trace: string[] = []
  const worker = async ({ name }: Task) => {
    trace.push(`${name} starts`)
    await turns(3)
    trace.push(`${name} ends`)
  }

  await runTasks(all, [worker, worker])
  assert.deepEqual(trace.slice(0, 2), ['a starts', 'b starts'])

  trace.length = 0
  await runTasks(all, [worker])
  assert.deepEqual(
    trace,
    ['a', 'b', 'c'].flatMap((name) => [`${name} starts`, `${name} ends`]),
  )
})

test('runTasks: of tasks that are ready the one comes first that the most work waits for', async () => {
  const all = [
    { name: 'alone', after: [], size: 5 },
    { name: 'leads to much', after: [], size: 1 },
    { name: 'much', after: ['leads to much'], size: 6 },
    { name: 'as much', after: [], size: 6 },
  ]
  const trace: string[] = []

  await runTasks(all, [({ name }) => Promise.resolve(void trace.push(name))])

  assert.deepEqual(trace, ['leads to much', 'much', 'as much', 'alone'])
})

test('runTasks: after a failure nothing is started, and what runs is waited for', async () => {
  const all = ['slow', 'broken', 'never'].map((name) => ({ name, after: [], size: 1 }))
  const ended: string[] = []
  const worker = async ({ name }: Task) => {
    if (name === 'broken') throw new Error('broken')
    await turns(5)
    ended.push(name)
  }

  await assert.rejects(runTasks(all, [worker, worker]), /^Error: broken$/)

  assert.deepEqual(ended, ['slow'])
})

test('runTasks: tasks that wait for each other are an error, not a wait without end', async () => {
  const all = [
    { name: 'a', after: ['b'], size: 1 },
    { name: 'b', after: ['a'], size: 1 },
  ]

  await assert.rejects(runTasks(all, [() => Promise.resolve()]), /a, b/)
})
