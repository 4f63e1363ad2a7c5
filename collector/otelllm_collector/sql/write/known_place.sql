select journal, number from raw.place order by number;
