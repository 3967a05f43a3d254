-- What a blood centre may set, and which blood suits whom. Pure functions, so that they can be read and tested alone.

create function blood_bank.default_settings() returns jsonb
  language sql
  immutable
  parallel safe
  set search_path = pg_catalog, pg_temp
as $$
  select '{
    "bloodbank.donor": {
      "min_age": 18, "max_age": 65, "first_time_max_age": 60,
      "min_weight_kg": 45, "volume_ml": 350, "heavy_from_kg": 55, "heavy_volume_ml": 450, "apheresis_volume_ml": 800,
      "min_haemoglobin_g_dl": 12.5,
      "min_systolic": 100, "max_systolic": 140, "min_diastolic": 60, "max_diastolic": 90,
      "min_pulse": 60, "max_pulse": 100, "max_temperature_c": 37.5,
      "interval_days_male": 90, "interval_days_female": 120,
      "after_apheresis_days": 28, "apheresis_interval_days": 2,
      "deferral_days": {
        "low_weight": 30, "low_haemoglobin": 90, "blood_pressure": 1, "pulse": 1, "temperature": 14, "tti_MALARIA": 90
      }
    },
    "bloodbank.components": {
      "WB":         {"shelf_days": 35,  "celsius": [2, 6]},
      "PRBC":       {"shelf_days": 35,  "celsius": [2, 6]},
      "PRBC_SAGM":  {"shelf_days": 42,  "celsius": [2, 6]},
      "LR_PRBC":    {"shelf_days": 42,  "celsius": [2, 6]},
      "IRRAD_PRBC": {"shelf_days": 28,  "celsius": [2, 6]},
      "FFP":        {"shelf_days": 365, "celsius": [-80, -30]},
      "CPP":        {"shelf_days": 365, "celsius": [-80, -30]},
      "CRYO":       {"shelf_days": 365, "celsius": [-80, -30]},
      "PLT_RDP":    {"shelf_days": 5,   "celsius": [20, 24]},
      "PLT_SDP":    {"shelf_days": 5,   "celsius": [20, 24]}
    },
    "bloodbank.rules": {
      "crossmatch_hours": 72, "reservation_hours": 48, "return_minutes": 30, "transfusion_hours": 4
    }
  }'::jsonb
$$;

comment on function blood_bank.default_settings() is 'about=Defaults of the settings bloodbank.donor (who may give), bloodbank.components (shelf lives and storage) and bloodbank.rules, as the law of India has them. The seed writes them as shared settings; a tenant''s own setting may hold only the keys that differ.';

create function blood_bank.setting(p_key text, variadic p_path text[]) returns jsonb
  language sql
  stable
  set search_path = pg_catalog, pg_temp
as $$
  select coalesce(core.setting(p_key) #> p_path, blood_bank.default_settings() -> p_key #> p_path)
$$;

comment on function blood_bank.setting(text, text[]) is 'about=A value of a bloodbank setting: the tenant''s, else the shared, else the default; null when nobody set it.';

create function blood_bank.limit_of(p_key text, variadic p_path text[]) returns numeric
  language sql
  stable
  set search_path = pg_catalog, pg_temp
as $$ select (blood_bank.setting(p_key, variadic p_path) #>> '{}')::numeric $$;

comment on function blood_bank.limit_of(text, text[]) is 'about=A number of a bloodbank setting.';

create function blood_bank.component_class(p_component text) returns text
  language sql
  immutable
  parallel safe
  set search_path = pg_catalog, pg_temp
as $$
  select case
    when p_component = 'WB' then 'whole_blood'
    when p_component in ('PRBC', 'PRBC_SAGM', 'LR_PRBC', 'IRRAD_PRBC') then 'red_cells'
    when p_component in ('FFP', 'CPP') then 'plasma'
    when p_component = 'CRYO' then 'cryoprecipitate'
    when p_component in ('PLT_RDP', 'PLT_SDP') then 'platelets'
  end
$$;

comment on function blood_bank.component_class(text) is 'about=What core.abo_compatible calls the component: whole_blood, red_cells, plasma, cryoprecipitate or platelets.';

create function blood_bank.needs_crossmatch(p_component text) returns boolean
  language sql
  immutable
  parallel safe
  set search_path = pg_catalog, pg_temp
as $$ select blood_bank.component_class(p_component) in ('whole_blood', 'red_cells') $$;

comment on function blood_bank.needs_crossmatch(text) is 'about=True for components with red cells; plasma and platelets are given by group.';

create function blood_bank.satisfies(p_requested text, p_given text) returns boolean
  language sql
  immutable
  parallel safe
  set search_path = pg_catalog, pg_temp
as $$
  select
    p_requested = p_given
    or (p_requested in ('PRBC', 'PRBC_SAGM') and blood_bank.component_class(p_given) = 'red_cells')
    or (p_requested = 'PLT_RDP' and p_given = 'PLT_SDP')
$$;

comment on function blood_bank.satisfies(text, text) is 'about=True when a unit of the given component answers a request: plain red cells may be leucoreduced or irradiated ones, never the other way round.';

create function blood_bank.match_of(p_recipient text, p_component text, p_abo text, p_rhd text) returns text
  language sql
  immutable
  parallel safe
  set search_path = pg_catalog, pg_temp
as $$
  select case
    when p_recipient is null then
      case
        when u.class = 'red_cells' and p_abo = 'O' then case p_rhd when 'neg' then 'compatible' else 'rhd_override' end
        when u.class not in ('red_cells', 'whole_blood') and p_abo = 'AB' then 'compatible'
        else 'unconfirmed'
      end
    when u.donor = p_recipient then 'identical'
    when core.abo_compatible(u.class, u.donor, p_recipient) then 'compatible'
    when u.class = 'platelets' then 'platelets_of_other_group'
    when core.abo_compatible(u.class, p_abo || '-', p_recipient) then 'rhd_override' -- only RhD stands against it
    else 'incompatible'
  end
  from (
    select
      blood_bank.component_class(p_component) as class,
      p_abo || case p_rhd when 'pos' then '+' else '-' end as donor
  ) u
$$;

comment on function blood_bank.match_of(text, text, text, text) is 'about=How a unit (component, abo, rhd) suits a recipient of group such as A+, or null while it is unconfirmed: identical, compatible, platelets_of_other_group (may be given, a warning), rhd_override (only on emergency release), unconfirmed or incompatible.';
