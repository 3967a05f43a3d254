-- Demo: the patients of Asha Clinic, all made up, registered by the front desk one by one: number n has the MRN
-- ASHA-00000n. Their telephone numbers belong to ranges that nobody has.

select core.assert_not_production();

select core.begin_request('da000000-0000-7000-8000-000000000000', null, 'system', 'HOPERAT', null);

-- No secrets: with these texts the demo, and nothing else, is encrypted.
select set_config('app.field_key', 'demo field key, not a secret', true);
select set_config('app.index_key', 'demo index key, not a secret', true);

do $$
declare
  v_person record;
  v_mobile text;
  v_card text;
begin
  for v_person in
    select
      p.*,
      case p.nationality when 'IN' then '+9155502' when 'SD' then '+24955502' else '+6555' end as range,
      case p.nationality when 'IN' then 'abha_number' when 'SD' then 'national_id' else 'passport' end as card
    from (
      values
        (1, 'Aarav', '', 'Sharma', 'male', '2016-04-11', 'day', 'O+', 'hi', 'IN'),
        (2, 'Ananya', '', 'Iyer', 'female', '1991-09-03', 'day', 'B+', 'ta', 'IN'),
        (3, 'Rahul', 'Kumar', 'Verma', 'male', '1984-12-19', 'day', 'A+', 'hi', 'IN'),
        (4, 'Lakshmi', '', 'Subramaniam', 'female', '1958-02-27', 'day', 'O-', 'ta', 'IN'),
        (5, 'Mohammed', '', 'Farooqui', 'male', '1973-07-08', 'day', 'AB+', 'ur', 'IN'),
        (6, 'Sneha', '', 'Kulkarni', 'female', '1997-05-15', 'day', 'B-', 'mr', 'IN'),
        (7, 'Gurpreet', 'Singh', 'Bedi', 'male', '1966-10-22', 'day', 'A-', 'pa', 'IN'),
        (8, 'Aishwarya', '', 'Shetty', 'female', '1989-01-06', 'day', 'O+', 'kn', 'IN'),
        (9, 'Biju', '', 'Varghese', 'male', '1979-03-31', 'day', 'B+', 'ml', 'IN'),
        (10, 'Ishita', '', 'Banerjee', 'female', '2003-08-12', 'day', 'AB-', 'bn', 'IN'),
        (11, 'Manjunath', '', 'Gowda', 'male', '1951-01-01', 'year', 'O+', 'kn', 'IN'),
        (12, 'Zoya', '', 'Khan', 'female', '2019-11-28', 'day', 'A+', 'hi', 'IN'),
        (13, 'Karthik', '', 'Ramanathan', 'male', '1994-06-17', 'day', 'B+', 'ta', 'IN'),
        (14, 'Pooja', '', 'Agarwal', 'female', '1986-02-09', 'day', 'O+', 'hi', 'IN'),
        (15, 'Suresh', '', 'Reddy', 'male', '1962-09-25', 'day', 'A+', 'te', 'IN'),
        (16, 'Meenakshi', '', 'Pillai', 'female', '1944-01-01', 'estimated', '', 'ml', 'IN'),
        (17, 'Devansh', '', 'Joshi', 'male', '2022-03-07', 'day', '', 'gu', 'IN'),
        (18, 'Nirmala', '', 'Das', 'female', '1970-12-02', 'day', 'B+', 'or', 'IN'),
        (19, 'Anthony', '', 'Fernandes', 'male', '1955-05-29', 'day', 'O-', 'kok', 'IN'),
        (20, 'Tenzin', '', 'Dolma', 'female', '1999-04-20', 'day', 'A+', 'bo', 'IN'),
        (21, 'Harish', '', 'Chandra', 'male', '1982-08-14', 'day', 'AB+', 'hi', 'IN'),
        (22, 'Revathi', '', 'Krishnan', 'female', '1976-11-11', 'day', 'O+', 'ta', 'IN'),
        (23, 'Salma', '', 'Begum', 'female', '1990-07-23', 'day', 'B+', 'ur', 'IN'),
        (24, 'Yusuf', '', 'Pathan', 'male', '2008-10-05', 'day', 'O+', 'ur', 'IN'),
        (25, 'Omar', 'Hassan', 'Elamin', 'male', '1968-03-18', 'day', 'A+', 'ar', 'SD'),
        (26, 'Mona', '', 'Abdalla', 'female', '1987-06-26', 'day', 'O+', 'ar', 'SD'),
        (27, 'Elfatih', '', 'Mahjoub', 'male', '1959-01-01', 'year', 'B+', 'ar', 'SD'),
        (28, 'Sara', 'Tagelsir', 'Ahmed', 'female', '2001-12-13', 'day', 'O-', 'ar', 'SD'),
        (29, 'Isam', '', 'Siddig', 'male', '1978-09-09', 'day', 'A-', 'ar', 'SD'),
        (30, 'Duaa', '', 'Kamal', 'female', '2014-02-22', 'day', 'AB+', 'ar', 'SD'),
        (31, 'Abubakr', '', 'Elnour', 'male', '1949-01-01', 'estimated', '', 'ar', 'SD'),
        (32, 'Wei Ling', '', 'Tan', 'female', '1985-04-04', 'day', 'O+', 'en', 'SG'),
        (33, 'Jun Hao', '', 'Lim', 'male', '1992-10-30', 'day', 'A+', 'zh', 'SG'),
        (34, 'Siti', 'Nurhaliza', 'Rahmat', 'female', '1980-01-17', 'day', 'B+', 'ms', 'SG'),
        (35, 'Rajesh', '', 'Pillay', 'male', '1974-05-05', 'day', 'O+', 'ta', 'SG'),
        (36, 'Mei Xin', '', 'Goh', 'female', '2011-09-19', 'day', 'A+', 'en', 'SG'),
        (37, 'Hafiz', '', 'Osman', 'male', '1996-03-27', 'day', 'B-', 'ms', 'SG'),
        (38, 'Kok Leong', '', 'Chua', 'male', '1947-11-08', 'day', 'AB+', 'zh', 'SG')
    ) as p (n, given_name, middle_name, family_name, sex, born_on, precision, blood_group, language, nationality)
    order by p.n
  loop
    v_mobile := v_person.range || lpad(v_person.n::text, 5, '0');
    v_card := 'DEMO-' || v_person.nationality || '-' || lpad(v_person.n::text, 6, '0');
    perform patient.register(
      jsonb_strip_nulls(jsonb_build_object(
        'given_name', v_person.given_name,
        'middle_name', nullif(v_person.middle_name, ''),
        'family_name', v_person.family_name,
        'sex', v_person.sex,
        'birth_date', v_person.born_on,
        'birth_date_precision', v_person.precision,
        'blood_group', nullif(v_person.blood_group, ''),
        'language', v_person.language,
        'nationality', v_person.nationality,
        'mobile_enc', core.encrypt_text(v_mobile),
        'mobile_bidx', core.blind_index(v_mobile),
        'address_enc', core.encrypt_text(v_person.n || ' Made-up Road'),
        'data_key_kid', 'demo-field-1',
        'portal_user_id', case when v_person.n = 2 then 'da000000-0005-7000-8000-000000000014' end,
        'registered_clinic_id', 'da000000-0001-7000-8000-000000000001'
      )),
      jsonb_build_array(jsonb_build_object(
        'kind', v_person.card,
        'system_uri', 'https://example.org/' || v_person.card,
        'value_enc', core.encrypt_text(v_card),
        'value_bidx', core.blind_index(v_card),
        'value_last4', right(v_card, 4),
        'is_primary', true
      )),
      'demo-patient-' || lpad(v_person.n::text, 3, '0')
    );
  end loop;
end
$$;
