
B	initial_hJ::1N¹ßº0¹Ÿ¸Ë®¦o¹Ì¸