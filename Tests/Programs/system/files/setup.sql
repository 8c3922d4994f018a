create table t(id integer primary key, name text, score real);
with recursive n(i) as (select 1 union all select i+1 from n where i < 500)
insert into t(name, score) select 'n' || (i % 17), i * 1.5 from n;
create index by_name on t(name);
select name, count(*), round(avg(score), 2) from t group by name order by 2 desc, 1 limit 5;
select json_group_array(id) from t where name = 'n3' and id < 80;
select hex(zeroblob(3)), printf('%.3f', 2.0/3), upper('abc'), date('2026-01-31', '+1 month');
explain query plan select * from t where name = 'n3';
begin; delete from t where id % 2; rollback; select count(*) from t;
pragma integrity_check;
