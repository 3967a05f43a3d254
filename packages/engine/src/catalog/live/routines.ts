import type { Catalog, Routine } from '../model.ts'
import { commentOf, IN_USER_SCHEMA, notOfExtension } from './fragments.ts'

/** What makes an aggregate work; names as regproc prints them, with their schema but for pg_catalog. */
const aggregateDefinition = `'create aggregate ' || p.oid::pg_catalog.regprocedure::text || ' ('
    || pg_catalog.concat_ws(', ', 'sfunc = ' || g.aggtransfn, 'stype = ' || pg_catalog.format_type(g.aggtranstype, null),
      'finalfunc = ' || nullif(g.aggfinalfn::pg_catalog.oid, 0)::pg_catalog.regproc,
      'combinefunc = ' || nullif(g.aggcombinefn::pg_catalog.oid, 0)::pg_catalog.regproc,
      'initcond = ' || pg_catalog.quote_literal(g.agginitval)) || ')'`

export const routinesQuery = `
  select n.nspname::text as schema, p.proname::text as name, p.prokind::text as kind,
    pg_catalog.pg_get_userbyid(p.proowner)::text as owner,
    ${commentOf('pg_proc', 'p.oid')} as comment,
    coalesce((
      select pg_catalog.json_agg(pg_catalog.format_type(u.type, null) order by u.n)
      from pg_catalog.unnest(p.proargtypes::oid[]) with ordinality u (type, n)
    ), '[]') as argument_types,
    pg_catalog.pg_get_function_arguments(p.oid) as arguments,
    coalesce(pg_catalog.pg_get_function_result(p.oid), '') as returns,
    l.lanname::text as language, p.provolatile::text as volatility, p.proparallel::text as parallel,
    p.prosecdef as security_definer, p.proisstrict as is_strict, p.proleakproof as leakproof,
    coalesce(pg_catalog.to_json(p.proconfig), '[]') as settings,
    coalesce(pg_catalog.pg_get_function_sqlbody(p.oid), p.prosrc) as body,
    nullif(p.procost, case when l.lanname in ('internal', 'c') then 1 else 100 end) as cost,
    nullif(p.prorows, case when p.proretset then 1000 else 0 end) as rows,
    case p.prokind when 'a' then ${aggregateDefinition} end as definition
  from pg_catalog.pg_proc p
    join pg_catalog.pg_namespace n on n.oid = p.pronamespace
    join pg_catalog.pg_language l on l.oid = p.prolang
    left join pg_catalog.pg_aggregate g on g.aggfnoid = p.oid
  where ${IN_USER_SCHEMA} and ${notOfExtension('pg_proc', 'p.oid')}
    -- constructors of range types come with the type
    and not exists (
      select from pg_catalog.pg_depend d
      where d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass and d.objid = p.oid and d.deptype = 'i'
    )
  order by 1, 2, pg_catalog.pg_get_function_identity_arguments(p.oid)`

export interface RoutineRow {
  schema: string
  name: string
  kind: 'f' | 'p' | 'a' | 'w'
  owner: string
  comment: string | null
  argument_types: string[]
  arguments: string
  returns: string
  language: string
  volatility: 'i' | 's' | 'v'
  parallel: 's' | 'r' | 'u'
  security_definer: boolean
  is_strict: boolean
  leakproof: boolean
  settings: string[]
  body: string
  cost: number | null
  rows: number | null
  definition: string | null
}

const KINDS = { f: 'function', p: 'procedure', a: 'aggregate', w: 'function' } as const
const VOLATILITY = { i: 'immutable', s: 'stable', v: 'volatile' } as const
const PARALLEL = { s: 'safe', r: 'restricted', u: 'unsafe' } as const

export function addRoutines(catalog: Catalog, rows: RoutineRow[]): void {
  for (const row of rows) {
    const routine: Routine = {
      schema: row.schema,
      name: row.name,
      kind: KINDS[row.kind],
      owner: row.owner,
      comment: row.comment,
      grants: [],
      argumentTypes: row.argument_types,
      arguments: row.arguments,
      returns: row.returns,
      language: row.language,
      volatility: VOLATILITY[row.volatility],
      parallel: PARALLEL[row.parallel],
      securityDefiner: row.security_definer,
      strict: row.is_strict,
      leakproof: row.leakproof,
      settings: row.settings.toSorted(),
      body: row.body,
      cost: row.cost,
      rows: row.rows,
      definition: row.definition,
    }
    catalog.functions.set(`${row.schema}.${row.name}(${row.argument_types.join(', ')})`, routine)
  }
}
