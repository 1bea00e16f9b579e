0BforecastJÀuÛ)C²³'Cnà$C‘å!CÎ_$Cøê"C™rCQßCÞnC,C”YCeùCðËCÒÄ
C³oC²æC|žCK€þBLsõBÍ:õBMêôBØÀìBÎçBÀøÜByß×B²¼ÙBW+ÑBBµÍB,™ÉB8ÌÂB¢Ó»Bº¹BçD³Bµ{«Bº¯BÙ¨B36£Bs¡BÇ™BÜQ•BmwBPâB
…‡BD×BTN€B]zBhújBÎ~fB