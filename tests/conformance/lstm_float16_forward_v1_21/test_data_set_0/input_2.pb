
B	initial_hJÿ355Þ8´u´E¦