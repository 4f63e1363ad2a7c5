delete from raw./*table*/ as x
where /*time*/ null >= $from and /*time*/ null < $to and /*condition*/ true;
