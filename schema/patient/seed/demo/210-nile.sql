-- Demo: the patients of Nile Clinic, all made up, registered by the front desk one by one: number n has the MRN
-- NILE-00000n. Their telephone numbers belong to ranges that nobody has.

select core.assert_not_production();

select core.begin_request('db000000-0000-7000-8000-000000000000', null, 'system', 'HOPERAT', null);

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
        (1, 'Ahmed', 'Mohamed', 'Eltahir', 'male', '1980-05-12', 'day', 'O+', 'ar', 'SD'),
        (2, 'Fatima', 'Ali', 'Hussein', 'female', '1993-08-21', 'day', 'A+', 'ar', 'SD'),
        (3, 'Mohamed', 'Osman', 'Idris', 'male', '1967-01-01', 'year', 'B+', 'ar', 'SD'),
        (4, 'Aisha', '', 'Elbashir', 'female', '2017-12-30', 'day', 'O+', 'ar', 'SD'),
        (5, 'Ibrahim', 'Adam', 'Haroun', 'male', '1958-01-01', 'estimated', 'A-', 'ar', 'SD'),
        (6, 'Maha', '', 'Eltayeb', 'female', '1988-03-09', 'day', 'B+', 'ar', 'SD'),
        (7, 'Hussam', '', 'Gasim', 'male', '1995-11-17', 'day', 'O-', 'ar', 'SD'),
        (8, 'Amira', 'Salah', 'Abbas', 'female', '1972-06-04', 'day', 'AB+', 'ar', 'SD'),
        (9, 'Musab', '', 'Elsadig', 'male', '2005-10-14', 'day', 'A+', 'ar', 'SD'),
        (10, 'Nafisa', '', 'Hamad', 'female', '1953-01-01', 'year', 'O+', 'ar', 'SD'),
        (11, 'Bakri', 'Hassan', 'Suliman', 'male', '1976-02-28', 'day', 'B-', 'ar', 'SD'),
        (12, 'Rihab', '', 'Awad', 'female', '1999-07-07', 'day', 'O+', 'ar', 'SD'),
        (13, 'Mustafa', '', 'Elzein', 'male', '1984-09-16', 'day', 'A+', 'ar', 'SD'),
        (14, 'Hanan', 'Yousif', 'Bakhit', 'female', '1964-04-25', 'day', 'AB-', 'ar', 'SD'),
        (15, 'Elhadi', '', 'Fadul', 'male', '2020-05-03', 'day', '', 'ar', 'SD'),
        (16, 'Tasneem', '', 'Mirghani', 'female', '1997-01-20', 'day', 'B+', 'ar', 'SD'),
        (17, 'Abdalla', 'Jibril', 'Tutu', 'male', '1945-01-01', 'estimated', '', 'ar', 'SD'),
        (18, 'Nadia', '', 'Khalifa', 'female', '1979-12-08', 'day', 'O+', 'ar', 'SD'),
        (19, 'Motasim', '', 'Elkhider', 'male', '1990-06-11', 'day', 'A+', 'ar', 'SD'),
        (20, 'Zeinab', '', 'Musa', 'female', '2010-08-18', 'day', 'O+', 'ar', 'SD'),
        (21, 'Siddig', 'Omer', 'Nasr', 'male', '1961-03-24', 'day', 'B+', 'ar', 'SD'),
        (22, 'Ruqayya', '', 'Ishag', 'female', '1986-10-02', 'day', 'O-', 'ar', 'SD'),
        (23, 'Amir', '', 'Abbashar', 'male', '2013-02-06', 'day', 'A+', 'ar', 'SD'),
        (24, 'Khadija', '', 'Dafalla', 'female', '1956-01-01', 'year', '', 'ar', 'SD'),
        (25, 'Vijay', '', 'Malhotra', 'male', '1977-04-19', 'day', 'B+', 'hi', 'IN'),
        (26, 'Shanti', '', 'Desai', 'female', '1983-11-05', 'day', 'O+', 'gu', 'IN'),
        (27, 'Naveen', '', 'Chandran', 'male', '1991-07-28', 'day', 'A+', 'ml', 'IN'),
        (28, 'Rekha', '', 'Solanki', 'female', '1969-09-13', 'day', 'AB+', 'gu', 'IN'),
        (29, 'Arvind', '', 'Bhatt', 'male', '1954-02-17', 'day', 'O+', 'hi', 'IN'),
        (30, 'Tanvi', '', 'Mehta', 'female', '2015-06-01', 'day', 'B+', 'gu', 'IN'),
        (31, 'Joseph', '', 'Dsouza', 'male', '1987-12-24', 'day', 'O+', 'kok', 'IN'),
        (32, 'Hui Min', '', 'Lee', 'female', '1994-05-26', 'day', 'A+', 'en', 'SG'),
        (33, 'Zhi Wei', '', 'Ong', 'male', '1982-01-31', 'day', 'O+', 'zh', 'SG'),
        (34, 'Nurul', '', 'Aziz', 'female', '1990-10-10', 'day', 'B+', 'ms', 'SG'),
        (35, 'Prakash', '', 'Naidu', 'male', '1965-08-06', 'day', 'A-', 'ta', 'SG'),
        (36, 'Xin Yi', '', 'Koh', 'female', '2012-04-15', 'day', 'O+', 'en', 'SG'),
        (37, 'Faisal', '', 'Jumat', 'male', '1998-02-03', 'day', 'B+', 'ms', 'SG'),
        (38, 'Boon Keng', '', 'Teo', 'male', '1950-12-21', 'day', 'AB+', 'zh', 'SG')
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
        'portal_user_id', case when v_person.n = 2 then 'db000000-0005-7000-8000-000000000014' end,
        'registered_clinic_id', 'db000000-0001-7000-8000-000000000001'
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
