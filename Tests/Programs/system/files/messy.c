int main(){int i;for(i=0;i<3;i++){if(i==1)continue;printf("%d",i);}return 0;}
