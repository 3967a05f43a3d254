-- National Early Warning Score 2, Royal College of Physicians 2017. For people of 16 years and older who are not pregnant.

create function clinical.news2(
  p_resp_rate int,
  p_spo2 int,
  p_on_oxygen boolean,
  p_systolic int,
  p_pulse int,
  p_consciousness text,
  p_temperature_c numeric,
  p_spo2_scale int default 1
) returns smallint
  language sql
  immutable
  set search_path = pg_catalog, pg_temp
as $$
  select (
    case when p_resp_rate <= 8 then 3 when p_resp_rate <= 11 then 1 when p_resp_rate <= 20 then 0
      when p_resp_rate <= 24 then 2 when p_resp_rate >= 25 then 3 end
    + case
        when p_spo2_scale = 1 then
          case when p_spo2 <= 91 then 3 when p_spo2 <= 93 then 2 when p_spo2 <= 95 then 1 when p_spo2 >= 96 then 0 end
        -- scale 2: too much oxygen counts as well
        when p_spo2 <= 83 then 3 when p_spo2 <= 85 then 2 when p_spo2 <= 87 then 1
        when p_spo2 <= 92 or (p_spo2 >= 93 and not p_on_oxygen) then 0
        when p_spo2 <= 94 then 1 when p_spo2 <= 96 then 2 when p_spo2 >= 97 then 3
      end
    + case p_on_oxygen when true then 2 when false then 0 end
    + case when p_systolic <= 90 then 3 when p_systolic <= 100 then 2 when p_systolic <= 110 then 1
        when p_systolic <= 219 then 0 when p_systolic >= 220 then 3 end
    + case when p_pulse <= 40 then 3 when p_pulse <= 50 then 1 when p_pulse <= 90 then 0 when p_pulse <= 110 then 1
        when p_pulse <= 130 then 2 when p_pulse >= 131 then 3 end
    + case when p_consciousness = 'A' then 0 when p_consciousness in ('C', 'V', 'P', 'U') then 3 end
    + case when p_temperature_c <= 35.0 then 3 when p_temperature_c <= 36.0 then 1 when p_temperature_c <= 38.0 then 0
        when p_temperature_c <= 39.0 then 1 when p_temperature_c > 39.0 then 2 end
  )::smallint
$$;

comment on function clinical.news2(int, int, boolean, int, int, text, numeric, int) is 'about=NEWS2 of breaths a minute, SpO2 in percent, on oxygen, systolic mmHg, pulse, consciousness (A, C, V, P, U), temperature in Celsius and SpO2 scale (1 or 2): 0 to 20, null when a part is missing. 5 asks for urgent review, 7 for emergency assessment.';
