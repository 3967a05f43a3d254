-- Times of a day. Quiet hours that pass midnight are two ranges, so columns use the multirange communication.timemultirange.

create type communication.timerange as range (subtype = time);

comment on type communication.timerange is 'about=From one time of the day to a later one; 24:00 is the end of the day.';
