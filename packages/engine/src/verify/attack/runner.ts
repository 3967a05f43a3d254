import { DatabaseError } from '@imhotep/postgres'
import { untested, type Attempt, type Outcome, type Step, type Verdict } from './attempt.ts'

/** What the attack needs of a connection: a transaction, or a connection that is inside one. */
export interface Querier {
  query<T>(sql: string, params?: unknown[]): Promise<T[]>
}

/** A table whose rows belong to a tenant, as the runner sees it when it looks for changes. */
export interface WatchedTable {
  /** Quoted. */
  readonly name: string
  /** Quoted. */
  readonly tenantColumn: string
}

export interface Judged {
  readonly attempt: Attempt
  readonly verdict: Verdict
  /** Statements that it took. */
  readonly steps: number
}

/** Steps a message: enough that round trips do not count, few enough that two connections end at about the same time. */
const batchSize = 24

/** query_canceled: the runner lets it through only when an operator or a signal asked for it. */
const canceled = '57014'

/**
 * Makes the runner: a temporary function that takes a role and a tenant, runs one statement in a savepoint and reports
 * how it ended. It runs on the server because a round trip a statement would cost more than all the statements.
 */
export async function installRunner(db: Querier, settings: Readonly<Record<string, string>>): Promise<void> {
  await db.query('create temporary table imhotep_attack_mark (n integer) on commit drop')
  await db.query('create temporary table imhotep_attack_watch (oid oid, name text, tenant_column text) on commit drop')
  for (const [name, value] of Object.entries(settings)) await db.query('select set_config($1, $2, true)', [name, value])
  await db.query(attemptAllSql)
  await db.query(countsSql)
  await db.query(silenceSql)
  await db.query(runnerSql)
}

/** Tells the runner in which tables it looks for changed rows of the victim. */
export async function watchTables(db: Querier, tables: readonly WatchedTable[]): Promise<void> {
  await db.query(
    `insert into imhotep_attack_watch
     select (value ->> 'name')::regclass, value ->> 'name', value ->> 'tenantColumn' from jsonb_array_elements($1::text::jsonb)`,
    [JSON.stringify(tables)],
  )
}

/** Runs statements one after the other and tells which succeeded; what the others began is taken back. */
export async function attemptAll(db: Querier, statements: readonly string[]): Promise<boolean[]> {
  if (statements.length === 0) return []
  const [row] = await db.query<{ succeeded: string }>(
    'select pg_temp.imhotep_attack_all($1::text::jsonb)::text as succeeded',
    [JSON.stringify(statements)],
  )
  return JSON.parse(row?.succeeded ?? '[]') as boolean[]
}

/** Plans and runs the attempts of one attack, which one or two connections make. */
export class AttemptRunner {
  readonly #contextSetting: string
  readonly #onProgress: (text: string) => void
  readonly #planned: Attempt[] = []
  readonly #judged = new Map<Attempt, Judged>()

  constructor(contextSetting: string, onProgress: (text: string) => void) {
    this.#contextSetting = contextSetting
    this.#onProgress = onProgress
  }

  /** A list to be run, once. */
  plan(attempts: Iterable<Attempt>): Attempt[] {
    const waiting = [...attempts]
    this.#planned.push(...waiting)
    return waiting
  }

  /** Takes attempts out of the list, in batches, until it is empty, and judges each. Two connections may take from one list. */
  async run(db: Querier, waiting: Attempt[]): Promise<void> {
    while (waiting.length > 0) {
      for (const judged of await this.#judge(db, takeBatch(waiting))) this.#judged.set(judged.attempt, judged)
      this.#onProgress(`${this.#judged.size} of ${this.#planned.length} attempts`)
    }
  }

  /** An attempt that brings its batch down is found by making each alone. */
  async #judge(db: Querier, batch: readonly Attempt[]): Promise<Judged[]> {
    const steps = batch.flatMap((attempt) => attempt.steps)
    const outcomes = await runOrUndo(db, this.#contextSetting, steps)
    if (outcomes instanceof DatabaseError) {
      if (outcomes.sqlstate === canceled) throw outcomes
      const [attempt, ...others] = batch
      if (!attempt) return []
      if (others.length === 0)
        return [{ attempt, verdict: untested(`stopped by ${outcomes.sqlstate}`), steps: steps.length }]
      const judged: Judged[] = []
      for (const each of batch) judged.push(...(await this.#judge(db, [each])))
      return judged
    }
    let taken = 0
    return batch.map((attempt) => {
      const own = outcomes.slice(taken, taken + attempt.steps.length)
      taken += attempt.steps.length
      return { attempt, verdict: judge(attempt, own), steps: own.filter(({ state }) => state !== '').length }
    })
  }

  /** What came out so far, in the order of the plan. */
  judged(): Judged[] {
    return this.#planned.flatMap((attempt) => this.#judged.get(attempt) ?? [])
  }
}

function takeBatch(waiting: Attempt[]): Attempt[] {
  let steps = 0
  let count = 0
  while (count < waiting.length && steps < batchSize) steps += waiting[count++]?.steps.length ?? 0
  return waiting.splice(0, count)
}

/** What another session, an operator or the state of the server brings about says nothing about who may do what. */
function isInterruption({ state }: Outcome): boolean {
  return /^(40|53|57|58|XX)/.test(state) || state === '55P03'
}

function judge(attempt: Attempt, outcomes: readonly Outcome[]): Verdict {
  const first = outcomes.findIndex(isInterruption)
  if (first === -1) return attempt.judge(outcomes)
  const before = first === 0 ? undefined : attempt.judge(outcomes.slice(0, first))
  return before?.kind === 'through' ? before : untested(`stopped by ${outcomes[first]?.state}`)
}

/** The outcomes, or the error that came instead; what was done before it is taken back then. */
async function runOrUndo(
  db: Querier,
  contextSetting: string,
  steps: readonly Step[],
): Promise<Outcome[] | DatabaseError> {
  // All leave in one message: they cost no round trips of their own.
  const [begun, ran, released] = await Promise.allSettled([
    db.query('savepoint imhotep_attack_batch'),
    runSteps(db, contextSetting, steps),
    db.query('release savepoint imhotep_attack_batch'),
  ])
  if (begun.status === 'rejected') throw begun.reason
  if (ran.status === 'rejected') {
    if (!(ran.reason instanceof DatabaseError)) throw ran.reason
    await db.query('rollback to savepoint imhotep_attack_batch')
    return ran.reason
  }
  if (released.status === 'rejected') throw released.reason
  return ran.value
}

/** Runs steps one after the other; each is rolled back. */
export async function runSteps(db: Querier, contextSetting: string, steps: readonly Step[]): Promise<Outcome[]> {
  const [row] = await db.query<{ outcomes: string }>(
    'select pg_temp.imhotep_attack($1::text::jsonb, $2::text)::text as outcomes',
    [JSON.stringify(steps), contextSetting],
  )
  return JSON.parse(row?.outcomes ?? '[]') as Outcome[]
}

const attemptAllSql = `
create function pg_temp.imhotep_attack_all(p_statements jsonb) returns jsonb language plpgsql as $all$
declare
  v_statement text;
  v_succeeded boolean[] := '{}';
begin
  for v_statement in select value from jsonb_array_elements_text(p_statements) loop
    begin
      execute v_statement;
      v_succeeded := v_succeeded || true;
    exception
      when assert_failure or query_canceled or others then
        if sqlstate = '57014' and sqlerrm = 'canceling statement due to user request' then
          raise;
        end if;
        v_succeeded := v_succeeded || false;
    end;
  end loop;
  return to_jsonb(v_succeeded);
end
$all$`

// Changes of each watched table so far in this transaction. Changes that were taken back stay counted, so the counts only
// say in which tables it is worth to look; they are read anew after each call that succeeded.
const countsSql = `
create function pg_temp.imhotep_attack_counts() returns jsonb language sql as $counts$
  select coalesce(jsonb_object_agg(w.oid, pg_stat_get_xact_tuples_inserted(w.oid) + pg_stat_get_xact_tuples_updated(w.oid)
    + pg_stat_get_xact_tuples_deleted(w.oid)), '{}')
  from pg_temp.imhotep_attack_watch w
$counts$`

// Triggers and foreign keys off or on. Outside of the savepoints: each change throws away all plans of the session.
const silenceSql = `
create function pg_temp.imhotep_attack_silence(p_silent boolean) returns void language plpgsql as $silence$
declare
  v_role text := case when p_silent then 'replica' else 'origin' end;
begin
  if current_setting('session_replication_role') <> v_role then
    perform set_config('session_replication_role', v_role, true);
  end if;
end
$silence$`

// Variables of PL/pgSQL keep their values when a savepoint is rolled back: that is how an outcome leaves it.
const runnerSql = `
create function pg_temp.imhotep_attack(p_steps jsonb, p_context text) returns jsonb language plpgsql as $runner$
declare
  v_installer text := session_user;
  v_step jsonb;
  v_before jsonb;
  v_call jsonb;
  v_row jsonb;
  v_outcomes jsonb[] := '{}';
  v_rows bigint;
  v_state text;
  v_message text;
  v_constraint text;
  v_answer text;
  v_word text;
  v_leaked integer;
  v_changed bigint;
  v_found bigint;
  v_mark xid;
  v_written jsonb;
  v_had jsonb;
  v_left jsonb;
  v_watch record;
begin
  for v_step in select value from jsonb_array_elements(p_steps) loop
    v_rows := 0; v_state := '00000'; v_message := ''; v_constraint := ''; v_answer := ''; v_leaked := 0; v_changed := 0; v_left := '{}';
    v_call := v_step -> 'call';
    perform pg_temp.imhotep_attack_silence((v_step ->> 'policyOnly')::boolean);
    if v_step ? 'afterDifference' and (
      select count(distinct (ended ->> 'state', ended ->> 'answer')) = 1
      from unnest(v_outcomes[cardinality(v_outcomes) - 1:]) ended
    ) or v_step ? 'afterErrors' and (
      select min(ended ->> 'state') <> max(ended ->> 'state') or min(ended ->> 'state') in ('00000', '42501')
      from unnest(v_outcomes[cardinality(v_outcomes) - (v_step ->> 'afterErrors')::integer + 1:]) ended
      where ended ->> 'state' <> ''
    ) then
      v_outcomes := array_append(v_outcomes, jsonb_build_object('state', '', 'rows', 0, 'constraint', '', 'answer', '', 'leaked', 0, 'changed', 0, 'refusedBy', null));
      continue;
    end if;
    begin
      if v_step ? 'memberOf' then
        execute format('grant %I to %I', v_step ->> 'memberOf', v_step ->> 'role');
      end if;
      if v_step ? 'row' then
        execute v_step ->> 'row' into v_row;
      end if;
      if v_call is not null then
        insert into pg_temp.imhotep_attack_mark values (1) returning xmin into v_mark;
        v_had := coalesce(v_had, pg_temp.imhotep_attack_counts());
      end if;
      perform set_config('session_authorization', v_step ->> 'role', true);
      if v_step ? 'before' then
        for v_before in select value from jsonb_array_elements(v_step -> 'before') loop
          perform set_config(p_context, coalesce(v_before ->> 'tenant', ''), true);
          execute v_before ->> 'sql';
        end loop;
      end if;
      perform set_config(p_context, coalesce(v_step ->> 'tenant', ''), true);
      if v_call is not null then
        execute v_step ->> 'sql' into v_answer;
      elsif v_step ? 'row' then
        execute v_step ->> 'sql' using v_row;
      else
        execute v_step ->> 'sql';
      end if;
      get diagnostics v_rows = row_count;
      -- deferred keys have their say before the savepoint goes
      set constraints all immediate;
      if v_call is not null then
        perform set_config('session_authorization', v_installer, true);
        for v_watch in
          select w.*
          from pg_temp.imhotep_attack_watch w
          where pg_stat_get_xact_tuples_inserted(w.oid) + pg_stat_get_xact_tuples_updated(w.oid)
            + pg_stat_get_xact_tuples_deleted(w.oid) > (v_had ->> w.oid::text)::bigint
        loop
          execute format('select count(*) from only %s where %s = %L and age(xmin) <= age($1)',
            v_watch.name, v_watch.tenant_column, v_call ->> 'victim')
          into v_found using v_mark;
          v_changed := v_changed + v_found;
          execute format('select count(*) from only %s where %s = %L', v_watch.name, v_watch.tenant_column, v_call ->> 'victim')
          into v_found;
          v_left := v_left || jsonb_build_object(v_watch.oid::text, v_found);
        end loop;
        v_had := pg_temp.imhotep_attack_counts();
      end if;
      raise exception 'undo' using errcode = 'ZZ999';
    exception
      when assert_failure or query_canceled or others then
        if sqlstate = '57014' and sqlerrm = 'canceling statement due to user request' then
          raise; -- somebody wants the attack to end
        end if;
        if sqlstate <> 'ZZ999' then
          get stacked diagnostics v_state = returned_sqlstate, v_message = message_text, v_constraint = constraint_name;
        end if;
    end;
    -- what was removed is there again after the savepoint
    if v_left <> '{}' then
      for v_watch in select w.* from pg_temp.imhotep_attack_watch w where v_left ? w.oid::text loop
        execute format('select count(*) from only %s where %s = %L', v_watch.name, v_watch.tenant_column, v_call ->> 'victim')
        into v_found;
        v_changed := v_changed + greatest(v_found - (v_left ->> v_watch.oid::text)::bigint, 0);
      end loop;
    end if;
    if v_step ? 'prepared' then
      begin
        execute format('deallocate %I', v_step ->> 'prepared');
      exception
        when others then null; -- it was never prepared
      end;
    end if;
    if v_call is not null then
      v_answer := lower(coalesce(v_answer, '') || v_message);
      for v_word in select value from jsonb_array_elements_text(v_call -> 'canaries') loop
        v_leaked := v_leaked + (position(lower(v_word) in v_answer) > 0)::integer;
      end loop;
      for v_word in select value from jsonb_array_elements_text(v_call -> 'passed') loop
        if v_word ~ '^\\d+$' then
          v_answer := regexp_replace(v_answer, '\\m' || v_word || '\\M', '#', 'g');
        else
          v_answer := replace(v_answer, lower(v_word), '#');
        end if;
      end loop;
      v_answer := md5(v_answer);
    end if;
    v_outcomes := array_append(v_outcomes, jsonb_build_object(
      'state', v_state, 'rows', v_rows, 'constraint', v_constraint, 'answer', coalesce(v_answer, ''), 'leaked', v_leaked, 'changed', v_changed,
      'refusedBy', case
        when v_state <> '42501' then null
        when v_message like '%row-level security%' then 'policy'
        when v_message ~ '^(permission denied for (table|view|schema|sequence|materialized view)|must be owner of)' then 'privilege'
        else 'other'
      end
    ));
  end loop;
  perform pg_temp.imhotep_attack_silence(false);
  return to_jsonb(v_outcomes);
end
$runner$`
