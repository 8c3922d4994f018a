<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform">
<xsl:output method="text"/>
<xsl:template match="/"><xsl:for-each select="//book"><xsl:sort select="@year" order="descending"/><xsl:value-of select="@year"/>: <xsl:value-of select="title"/>
<xsl:text>&#10;</xsl:text></xsl:for-each>sum <xsl:value-of select="sum(//book/@year)"/><xsl:text>&#10;</xsl:text></xsl:template>
</xsl:stylesheet>
