/** Column types and values at their edges. Each row of the table holds one value of each. */
const columns: readonly (readonly [name: string, type: string, ...values: string[]])[] = [
  ['c_smallint', 'smallint', `-32768`, `32767`, `0`],
  ['c_integer', 'integer', `-2147483648`, `2147483647`, `0`],
  ['c_bigint', 'bigint', `-9223372036854775808`, `9223372036854775807`, `9007199254740993`],
  ['c_numeric', 'numeric', `'NaN'`, `'-Infinity'`, `0.10`, `'1e400'`, `123456789012345678901234567890.123456789`],
  ['c_numeric_14_2', 'numeric(14,2)', `-999999999999.99`, `0`, `1.10`],
  ['c_real', 'real', `'NaN'`, `'-0'`, `16777217`, `'1e-45'`, `3.4028235e38`, `0.1`],
  ['c_double', 'double precision', `'Infinity'`, `'-0'`, `5e-324`, `1.7976931348623157e308`, `0.1`],
  ['c_money', 'money', `'-92233720368547758.08'`, `'0.01'`],
  ['c_boolean', 'boolean', `true`, `false`],
  ['c_char', 'char(5)', `'a'`, `'a  b'`, `''`],
  ['c_varchar', 'varchar(20)', `''`, `'  '`, `E'\\t\\n\\r\\\\'`, `'Ünïcödé 😀'`],
  ['c_text', 'text', `''`, `'NULL'`, `E'\\\\N'`, `repeat('long', 20000)`, `E'\\x1f{"}'`],
  ['c_name', 'name', `'n'`],
  ['c_internal_char', '"char"', `'x'`],
  ['c_citext', 'citext', `'MiXeD'`, `''`],
  ['c_bytea', 'bytea', `'\\x'`, `'\\x00ff5c0a09'`],
  ['c_date', 'date', `'infinity'`, `'4713-01-01 BC'`, `'5874897-12-31'`, `'2024-02-29'`],
  ['c_time', 'time', `'24:00:00'`, `'00:00:00.000001'`],
  ['c_time_3', 'time(3)', `'12:34:56.789'`],
  ['c_timetz', 'timetz', `'12:00:00+15:59'`],
  ['c_timestamp', 'timestamp', `'-infinity'`, `'2026-11-26 10:00:00.123456'`, `'0044-03-15 12:00 BC'`],
  ['c_timestamptz', 'timestamptz', `'infinity'`, `'2026-03-29 02:30:00+02'`, `'1890-01-01 00:00+00:01:15'`],
  ['c_interval', 'interval', `'-1 year -2 mons +3 days -04:05:06.7'`, `'178000000 years'`, `'0'`],
  ['c_uuid', 'uuid', `'00000000-0000-0000-0000-000000000000'`, `'ffffffff-ffff-ffff-ffff-ffffffffffff'`],
  ['c_inet', 'inet', `'10.1.2.3/8'`, `'::1'`],
  ['c_cidr', 'cidr', `'10.0.0.0/8'`, `'2001:db8::/32'`],
  ['c_macaddr', 'macaddr', `'08:00:2b:01:02:03'`],
  ['c_macaddr8', 'macaddr8', `'08:00:2b:01:02:03:04:05'`],
  ['c_bit', 'bit(3)', `B'101'`],
  ['c_varbit', 'bit varying', `B''`, `B'0001'`],
  ['c_json', 'json', `'{"b": 1,  "a": [1.0, null], "b": 2}'`, `'" "'`],
  ['c_jsonb', 'jsonb', `'{"b": 1.10, "a": {"x": "ü\\""}}'`, `'null'`, `'[]'`],
  ['c_jsonpath', 'jsonpath', `'$.a[*] ? (@ > 1)'`],
  ['c_xml', 'xml', `'<a b="1">&amp;</a>'`, `'text<b/>'`],
  ['c_tsvector', 'tsvector', `to_tsvector('simple', 'it''s a \\ fine:day')`, `''`],
  ['c_tsquery', 'tsquery', `'a & (b | !c:*)'`],
  ['c_int_array', 'int[]', `'{}'`, `'{1,NULL,-3}'`, `'[0:1]={7,8}'`, `'{{1,2},{3,4}}'`],
  ['c_text_array', 'text[]', `'{"a,b","NULL",NULL,"","q\\"\\\\"}'`],
  ['c_mood', 'mood', `'so so'`, `'well'`],
  ['c_mood_array', 'mood[]', `'{well,"so so"}'`],
  ['c_dose', 'dose', `'1.5'`],
  ['c_composite', 'place', `'(,)'`, `'("a ""b"", c",7)'`],
  ['c_int4range', 'int4range', `'empty'`, `'[1,5)'`, `'(,)'`],
  ['c_tstzrange', 'tstzrange', `'["2026-01-01 00:00+01",infinity)'`],
  ['c_datemultirange', 'datemultirange', `'{[2026-01-01,2026-01-05),[2026-02-01,)}'`],
  ['c_point', 'point', `'(1e-300,-0)'`, `'(NaN,Infinity)'`],
  ['c_polygon', 'polygon', `'((0,0),(1,1),(2,0))'`],
  ['c_path', 'path', `'[(0,0),(1,1)]'`],
  ['c_lsn', 'pg_lsn', `'16/B374D848'`],
  ['c_xid8', 'xid8', `'18446744073709551615'`],
  ['c_regclass', 'regclass', `'types'::regclass`],
  ['c_hstore', 'hstore', `'"a\\"b"=>NULL, c=>"1"'`],
]

export const typesTable = `
  create extension citext; create extension hstore;
  create type mood as enum ('ill', 'so so', 'well');
  create domain dose as numeric(5,1) check (value > 0);
  create type place as (street text, number int);
  create table types (
    id int primary key,
    ${columns.map(([name, type]) => `${name} ${type}`).join(',\n    ')},
    generated text generated always as (id::text || 'x') stored
  );
  alter table types alter c_text set storage external;`

/** Rows that go through the values of every column, then one that is all null. */
export const typesRows = [
  ...Array.from({ length: 5 }, (_, row) => [
    row,
    ...columns.map(([, type, ...values]) => {
      const value = values[row % values.length] as string
      return value.includes('::') && type === 'regclass' ? value : `(${value})::${type}`
    }),
  ]),
  [99, ...columns.map(() => 'null')],
]
  .map((values) => `insert into types (id, ${columns.map(([name]) => name).join(', ')}) values (${values.join(', ')});`)
  .join('\n')
