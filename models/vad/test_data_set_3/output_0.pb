BspeechJ
»s>