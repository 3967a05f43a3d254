-- Body mass index (kg/m2). The clinical module will use it for vital signs.

create function patient.calculate_bmi(p_weight_kg numeric, p_height_cm numeric) returns numeric
  language plpgsql
  immutable
  strict
  parallel safe
  set search_path = pg_catalog, pg_temp
as $$
begin
  if p_weight_kg <= 0 or p_height_cm not between 20 and 300 then
    raise exception 'weight must be above 0 kg and height between 20 and 300 cm'
      using errcode = '22003', hint = 'give the weight in kilograms and the height in centimetres';
  end if;
  return round(p_weight_kg / (p_height_cm / 100) ^ 2, 1)::numeric(5, 1);
end
$$;

comment on function patient.calculate_bmi(numeric, numeric) is 'about=Body mass index from kilograms and centimetres, one decimal; null when either is null. 22003 a weight or height that nobody has.';
