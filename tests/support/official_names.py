"""Classes of the official data sets: the real ones, or as many of their form."""

from tests.support.official_files import words

VARIANTS = ["707-320", "Boeing 717", "Cessna 172", "DHC-8-100", "Eurofighter Typhoon", "F/A-18"]
VARIANTS += ["Gulfstream IV", "Hawk T1", "Model B200", "PA-28", "SR-20", "Tu-134", "Yak-42"]
VARIANTS = sorted(VARIANTS + [f"737-{n}" for n in range(200, 287)])

TEXTURES = words(
    """
    banded blotchy braided bubbly bumpy chequered cobwebbed cracked crosshatched crystalline
    dotted fibrous flecked freckled frilly gauzy grid grooved honeycombed interlaced knitted
    lacelike lined marbled matted meshed paisley perforated pitted pleated polka-dotted porous
    potholed scaly smeared spiralled sprinkled stained stratified striped studded swirly veined
    waffled woven wrinkled zigzagged
    """
)

CATS = words(
    """
    Abyssinian Bengal Birman Bombay British_Shorthair Egyptian_Mau Maine_Coon Persian Ragdoll
    Russian_Blue Siamese Sphynx
    """
)
DOGS = words(
    """
    american_bulldog american_pit_bull_terrier basset_hound beagle boxer chihuahua
    english_cocker_spaniel english_setter german_shorthaired great_pyrenees havanese
    japanese_chin keeshond leonberger miniature_pinscher newfoundland pomeranian pug
    saint_bernard samoyed scottish_terrier shiba_inu staffordshire_bull_terrier wheaten_terrier
    yorkshire_terrier
    """
)
BREEDS = sorted(CATS + DOGS, key=str.lower)  # the class ids are in this order
ODD_PETS = {  # files of the list of odd ones, all named .jpg: format and mode
    "Abyssinian_5": ("JPEG", "L"),  # the colour of the first class is a grey
    "Abyssinian_34": ("GIF", "P"),
    "Egyptian_Mau_14": ("PNG", "RGBA"),
    "Egyptian_Mau_139": ("PNG", "P"),
    "beagle_116": ("JPEG", "CMYK"),
    "chihuahua_121": ("BMP", "RGB"),
}

MODELS = ["AM General Hummer SUV 2000", "Acura RL Sedan 2012", "Ram C/V Cargo Van Minivan 2012"]
MODELS += [f"Some Model {k} Coupe 2012" for k in range(4, 197)]
