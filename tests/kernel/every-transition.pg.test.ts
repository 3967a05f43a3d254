import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { connect, type Database } from '@imhotep/postgres'
import { demoDatabase, type TestDatabase } from '../support/database.ts'

// Every machine, every pair of its states, on a row of its own table: a legal move passes, every other raises IM001, and
// so does every first state that no rule names. Whatever else stands on the table (checks, other triggers) is taken away
// inside the transaction, so that the answer is the state machine's alone.

interface Machine {
  readonly machine: string
  readonly column: string
}

interface Pair {
  readonly from: string
  readonly to: string
  readonly legal: boolean
  readonly outcome: string
}

let database: TestDatabase
let db: Database
let machines: Machine[]
let pairs = 0

before(async () => {
  database = await demoDatabase()
  db = connect(database.url)
  machines = await db.query<Machine>(`
    select distinct convert_from(split_part(encode(t.tgargs, 'escape'), '\\000', 1)::bytea, 'UTF8') as machine,
      convert_from(split_part(encode(t.tgargs, 'escape'), '\\000', 2)::bytea, 'UTF8') as column
    from pg_trigger t
    join pg_class c on c.oid = t.tgrelid and not c.relispartition
    where t.tgfoid = 'core.enforce_transition()'::regprocedure
    order by 1`)
})
after(async () => {
  console.log(`state machines: ${machines.length} machines, ${pairs} pairs tried`)
  await db.close()
  await database.drop()
})

class Undo extends Error {}

async function tryEveryPair({ machine, column }: Machine): Promise<Pair[]> {
  let tried: Pair[] = []
  try {
    await db.transaction(
      async (tx) => {
        for (const statement of prepare.split(/(?<=\$\$;)\n/)) await tx.query(statement)
        await tx.query('select pg_temp.isolate_machine($1)', [machine])
        tried = await tx.query<Pair>('select * from pg_temp.try_pairs($1, $2)', [machine, column])
        throw new Undo()
      },
      { retries: 0 },
    )
  } catch (error) {
    if (!(error instanceof Undo)) throw error
  }
  return tried
}

test('state machines: every table with transition rules has the trigger, and there are more than a hundred', async () => {
  const ruled = await db.query<{ machine: string }>('select distinct machine from core.transition_rules order by 1')

  assert.deepEqual(
    machines.map(({ machine }) => machine),
    ruled.map(({ machine }) => machine),
  )
  assert.ok(machines.length > 100, `${machines.length} machines`)
})

test('state machines: a legal move passes, every other pair of states raises IM001', async () => {
  const wrong: string[] = []
  for (const machine of machines) {
    const tried = await tryEveryPair(machine)
    if (tried.length === 0) wrong.push(`${machine.machine}: no row to try it on`)
    pairs += tried.length
    for (const { from, to, legal, outcome } of tried) {
      if ((outcome === 'IM001') === legal || ['IM002', 'IM006'].includes(outcome))
        wrong.push(
          `${machine.machine}: "${from}" to "${to}" is ${legal ? 'legal' : 'illegal'} and ended with ${outcome}`,
        )
    }
  }

  assert.deepEqual(wrong, [])
})

/** Takes every check, further key and trigger but the machine's own away from the table, and makes the functions of the trial. */
const prepare = `
create function pg_temp.isolate_machine(p_machine text) returns void language plpgsql as $$
declare
  v_object record;
begin
  for v_object in
    select conname from pg_constraint where conrelid = p_machine::regclass and contype in ('c', 'x', 'u')
  loop
    execute format('alter table %s drop constraint %I cascade', p_machine, v_object.conname);
  end loop;
  for v_object in
    select indexrelid::regclass as name from pg_index where indrelid = p_machine::regclass and indisunique and not indisprimary
  loop
    execute format('drop index %s', v_object.name);
  end loop;
  for v_object in
    select t.tgname
    from pg_trigger t
    where t.tgrelid = p_machine::regclass and not t.tgisinternal and t.tgfoid <> 'core.enforce_transition()'::regprocedure
  loop
    execute format('drop trigger %I on %s', v_object.tgname, p_machine);
  end loop;
end
$$;

create function pg_temp.outcome_of(p_statement text) returns text language plpgsql as $$
begin
  execute p_statement;
  return '00000';
exception
  when others then return sqlstate;
end
$$;

create function pg_temp.try_pairs(p_machine text, p_column text)
  returns table ("from" text, "to" text, legal boolean, outcome text) language plpgsql as $$
declare
  v_states text[];
  v_row record;
  v_columns text;
  v_rule core.transition_rules;
begin
  -- a row of a tenant where there is one: shared and global rows have none
  execute format(
    'select t.id, (to_jsonb(t) ->> ''tenant_id'')::uuid as tenant_id from %s t order by 2 nulls last limit 1', p_machine
  )
  into v_row;
  if v_row.id is null then
    return;
  end if;
  perform core.begin_request(coalesce(v_row.tenant_id, (select t.id from core.tenants t limit 1)), null, 'system', 'HOPERAT', null);
  perform core.set_reason('every pair is tried');
  select array_agg(distinct s order by s) into v_states
  from core.transition_rules r, unnest(array[r.from_state, r.to_state]) s
  where r.machine = p_machine and s <> '';
  select string_agg(quote_ident(attname), ', ') into v_columns
  from pg_attribute
  where attrelid = p_machine::regclass and attnum > 0 and not attisdropped and attgenerated = '' and attname not in ('id', p_column);

  foreach "to" in array v_states loop
    foreach "from" in array array_prepend('', v_states) loop
      continue when "from" = "to";
      select r.* into v_rule
      from core.transition_rules r
      where r.machine = p_machine and r.from_state = "from" and r.to_state = "to";
      legal := found;
      perform set_config('app.role', coalesce(v_rule.allowed_roles[1], 'system'), true);
      if "from" = '' then
        -- a key that the copy repeats is refused behind the trigger: then the machine let it pass
        outcome := pg_temp.outcome_of(format(
          'insert into %s (id, %I, %s) select core.uuid_v7(), %L, %s from %s where id = %L',
          p_machine, p_column, v_columns, "to", v_columns, p_machine, v_row.id
        ));
      else
        perform set_config('session_replication_role', 'replica', true);
        execute format('update %s set %I = %L where id = %L', p_machine, p_column, "from", v_row.id);
        perform set_config('session_replication_role', 'origin', true);
        outcome := pg_temp.outcome_of(format('update %s set %I = %L where id = %L', p_machine, p_column, "to", v_row.id));
      end if;
      return next;
    end loop;
  end loop;
end
$$;`
