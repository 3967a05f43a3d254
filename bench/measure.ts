import { readFileSync } from 'node:fs'
import type { Connection, Transaction } from '@imhotep/postgres'

/** One thing that is measured beside others. */
export interface Case {
  readonly name: string
  /** One round; only what it awaits between the clocks counts. Returns CPU seconds of the backend when it knows them. */
  run(): Promise<unknown>
  /** Undoes a round; not measured. */
  after?(): Promise<void>
  /** Backend whose CPU time is read; without it only wall time is measured. */
  readonly backend?: number
}

export interface Measured {
  readonly name: string
  /** Medians of the rounds, in milliseconds. */
  readonly wallMs: number
  readonly cpuMs: number | null
}

/** Runs the cases in turn, `rounds` times after one round to warm up, so that what disturbs one disturbs all. */
export async function measure(cases: readonly Case[], rounds: number): Promise<Measured[]> {
  const samples = cases.map((): { wall: number; cpu: number }[] => [])
  for (let round = -1; round < rounds; round++) {
    for (const [index, one] of cases.entries()) {
      const cpu = one.backend === undefined ? 0 : backendCpu(one.backend)
      const start = performance.now()
      await one.run()
      const sample = {
        wall: performance.now() - start,
        cpu: one.backend === undefined ? 0 : backendCpu(one.backend) - cpu,
      }
      await one.after?.()
      if (round >= 0) samples[index]?.push(sample)
    }
  }
  return cases.map(({ name, backend }, index) => {
    const of = samples[index] ?? []
    return {
      name,
      wallMs: median(of.map((sample) => sample.wall)),
      cpuMs: backend === undefined ? null : median(of.map((sample) => sample.cpu)),
    }
  })
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  const upper = sorted[middle] ?? Number.NaN
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2
}

/** CPU milliseconds that a process of this machine has used so far, from the scheduler's nanoseconds. */
export function backendCpu(pid: number): number {
  return Number(readFileSync(`/proc/${pid}/schedstat`, 'utf8').split(' ')[0]) / 1e6
}

/** Runs one statement `times` times in the backend itself, so that neither driver nor network is measured. */
export async function repeatInBackend(connection: Transaction, statement: string, times: number): Promise<void> {
  await connection.query('select pg_temp.repeat_statement($1, $2)', [statement, times])
}

/** Makes what `repeatInBackend` calls; once per connection. */
export async function prepareRepeat(connection: Connection): Promise<void> {
  await connection.script(`
    create function pg_temp.repeat_statement(p_statement text, p_times int) returns void language plpgsql as $$
    begin
      execute 'do $do$ begin for i in 1..' || p_times || ' loop ' || p_statement || '; end loop; end $do$';
    end $$`)
}
